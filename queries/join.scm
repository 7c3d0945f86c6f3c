;; Waits for the end of a thread or process.
;;
;; `.join` is a method of strings, paths, queues, pools and much else. Only a receiver proven to be a thread or a process counts:
;; a wrong timeout on a `", ".join(parts)` would be a broken test.
;;
;; trigger: \.join\s*\(\s*\)
;; trigger: \.join\s*\(\s*(?:timeout|None)
;; trigger: \.join\s*\( && (?:Thread|Process|Timer)\s*\(
;; trigger: (?:addCleanup|addfinalizer|callback)\s*\([\w.]+\.join\s*\)

((call function: (attribute object: (_) @receiver attribute: (identifier) @_method)) @join
  (#eq? @_method "join")
  (#instance-of? @receiver
    "threading.Thread" "multiprocessing.Process" "multiprocessing.process.BaseProcess" "billiard.Process" "loky.backend.process.LokyProcess"
    "eventlet.green.threading.Thread" "gevent.threading.Thread")
  (#set! amount "0 timeout"))

;; self.addCleanup(thread.join), request.addfinalizer(thread.join), stack.callback(thread.join): somebody else calls it, without a timeout.
((call
    function: (attribute attribute: (identifier) @_registers)
    arguments: (argument_list . (attribute object: (_) @receiver attribute: (identifier) @_method) @join .))
  (#any-of? @_registers "addCleanup" "addfinalizer" "callback")
  (#eq? @_method "join")
  (#instance-of? @receiver
    "threading.Thread" "multiprocessing.Process" "multiprocessing.process.BaseProcess" "billiard.Process" "loky.backend.process.LokyProcess"
    "eventlet.green.threading.Thread" "gevent.threading.Thread"))
