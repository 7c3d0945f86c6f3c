;; Constructs a thread or a process.
;;
;; trigger: (?:Thread|Process|Timer)\s*[(),]
;; trigger: \.join\s*\(\s*(?:\)|timeout|None)
;;

;; threading.Thread(target=work), Worker(queue) where `class Worker(Thread)`, ctx.Process(…) after `ctx = get_context("spawn")`.
((call function: [(identifier) (attribute)] @callee) @thread
  (#subclass-of? @callee
    "threading.Thread" "multiprocessing.Process" "multiprocessing.process.BaseProcess" "billiard.Process" "loky.backend.process.LokyProcess"
    "eventlet.green.threading.Thread" "gevent.threading.Thread"))
