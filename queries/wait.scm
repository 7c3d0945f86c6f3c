;; Waits for another thread or process, by methods that take a timeout.
;;
;; Conditions, locks and semaphores are not here: who holds them is a matter of the code under test.
;;
;; only for: wait-without-timeout
;;
;; trigger: \.(?:wait|get|result|exception|communicate)\s*\(

;; ready.wait(), proc.wait(), barrier.wait(): the timeout is the first argument.
((call function: (attribute object: (_) @receiver attribute: (identifier) @_method)) @wait
  (#eq? @_method "wait")
  (#instance-of? @receiver
    "threading.Event" "threading.Barrier" "multiprocessing.Event" "multiprocessing.Barrier" "subprocess.Popen"
    "multiprocessing.pool.AsyncResult")
  (#set! amount "0 timeout"))

;; queue.get(): first comes whether to block.
((call function: (attribute object: (_) @receiver attribute: (identifier) @_method)) @wait
  (#eq? @_method "get")
  (#instance-of? @receiver
    "queue.Queue" "queue.SimpleQueue" "multiprocessing.Queue" "multiprocessing.JoinableQueue")
  (#set! amount "1 timeout"))

;; future.result(), future.exception(), pool.apply_async(f).get()
((call function: (attribute object: (_) @receiver attribute: (identifier) @_method)) @wait
  (#any-of? @_method "result" "exception")
  (#instance-of? @receiver "concurrent.futures.Future")
  (#set! amount "0 timeout"))

((call function: (attribute object: (_) @receiver attribute: (identifier) @_method)) @wait
  (#eq? @_method "get")
  (#instance-of? @receiver "multiprocessing.pool.AsyncResult")
  (#set! amount "0 timeout"))

;; proc.communicate(): the input comes first.
((call function: (attribute object: (_) @receiver attribute: (identifier) @_method)) @wait
  (#eq? @_method "communicate")
  (#instance-of? @receiver "subprocess.Popen")
  (#set! amount "1 timeout"))
