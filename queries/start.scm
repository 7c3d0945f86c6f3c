;; Starts something that runs beside the test: a thread, a process, or an object of the product that has one.
;;
;; What it is that `.start()` is called on, the rule asks itself: an object of the product counts if its `start` starts a thread.
;;
;; only for: leaked-thread, too-many-threads
;;
;; trigger: \.start\s*\(

((call function: (attribute object: (_) @receiver attribute: (identifier) @_method)) @start
  (#eq? @_method "start"))
