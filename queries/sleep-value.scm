;; A clock's sleep handed over as a value, its seconds beside it: somebody else calls it.
;;
;; trigger: \bsleep\s*,

;; Thread(target=time.sleep, args=(1,)): the function is handed over as a value, its argument beside it.
((call arguments: (argument_list (keyword_argument name: (identifier) @_target value: [(identifier) (attribute)] @callee))) @sleep
  (#eq? @_target "target")
  (#resolves-to? @callee "time.sleep" "gevent.sleep" "eventlet.sleep")
  (#set! amount "args.0"))

;; executor.submit(time.sleep, 1), loop.run_in_executor(None, time.sleep, 1), asyncio.to_thread(time.sleep, 1):
;; the function comes among the positional arguments and its own argument after it.
((call arguments: (argument_list [(identifier) (attribute)] @callee . [(integer) (float) (identifier) (attribute)] @amount)) @sleep
  (#resolves-to? @callee "time.sleep" "gevent.sleep" "eventlet.sleep"))
