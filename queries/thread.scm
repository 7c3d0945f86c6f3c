;; Constructs a thread or a process.
;;
;; A class of threads that is imported is known by what is done with it.
;;
;; trigger: (?:Thread|Process|Timer)\s*[(),]
;; trigger: \.start\s*\(
;; trigger: \.join\s*\(\s*(?:\)|timeout|None)

;; threading.Thread(target=work), Worker(queue) where `class Worker(Thread)`, ctx.Process(…) after `ctx = get_context("spawn")`.
((call function: [(identifier) (attribute)] @callee) @thread
  (#subclass-of? @callee
    "threading.Thread" "multiprocessing.Process" "multiprocessing.process.BaseProcess" "billiard.Process" "loky.backend.process.LokyProcess"
    "eventlet.green.threading.Thread" "gevent.threading.Thread"))
