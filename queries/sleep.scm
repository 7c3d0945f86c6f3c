;; What puts its caller to sleep for a number of seconds.
;;
;; `sleep` is an ordinary word: shell wrappers, schedulers and test doubles have functions of that name that wait for
;; nothing. So the callee must resolve, through imports, aliases and shadowing, to a clock's own.
;;
;; trigger: \bsleep\b
;;

;; time.sleep(2.5), await asyncio.sleep(delay=1), sleep(SETTLE) after `from time import sleep`, pause(1) after `as pause`.
((call function: [(identifier) (attribute)] @callee) @sleep
  (#resolves-to? @callee
    "time.sleep" "asyncio.sleep" "trio.sleep" "anyio.sleep" "gevent.sleep" "gevent.hub.sleep" "eventlet.sleep"
    "eventlet.greenthread.sleep" "curio.sleep" "tornado.gen.sleep"
    "eventlet.green.time.sleep" "gevent.time.sleep")
  (#set! amount "0 secs seconds delay duration"))

;; Thread(target=time.sleep, args=(1,)): the function is handed over as a value, its argument beside it.
((call arguments: (argument_list (keyword_argument name: (identifier) @_target value: [(identifier) (attribute)] @callee))) @sleep
  (#eq? @_target "target")
  (#resolves-to? @callee "time.sleep" "gevent.sleep" "eventlet.sleep")
  (#set! amount "args.0"))

;; executor.submit(time.sleep, 1), loop.run_in_executor(None, time.sleep, 1), asyncio.to_thread(time.sleep, 1):
;; the function comes among the positional arguments and its own argument after it.
((call arguments: (argument_list [(identifier) (attribute)] @callee . [(integer) (float) (identifier) (attribute)] @amount)) @sleep
  (#resolves-to? @callee "time.sleep" "gevent.sleep" "eventlet.sleep"))
