;; Constructs a pool of threads or processes; the amount is its number of workers.
;;
;; trigger: (?:Pool|Executor)\s*\(
;;

((call function: [(identifier) (attribute)] @callee) @pool
  (#subclass-of? @callee
    "concurrent.futures.ThreadPoolExecutor" "concurrent.futures.ProcessPoolExecutor"
    "concurrent.futures.thread.ThreadPoolExecutor" "concurrent.futures.process.ProcessPoolExecutor"
    "multiprocessing.pool.ThreadPool" "multiprocessing.pool.Pool")
  (#set! amount "0 max_workers processes"))
