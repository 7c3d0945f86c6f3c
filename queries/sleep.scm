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
