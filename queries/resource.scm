;; Opens something that the operating system counts, and that has to be closed.
;;
;; only for: unclosed-resource
;;
;; trigger: \b(?:open|socket|connect|create_connection|create_server|socketpair|NamedTemporaryFile|TemporaryFile|TemporaryDirectory)\s*\(
;; trigger: (?:Executor|Pool)\s*\(

((call function: [(identifier) (attribute)] @callee) @resource
  (#resolves-to? @callee
    "builtins.open" "io.open" "codecs.open" "gzip.open" "bz2.open" "lzma.open" "os.fdopen" "tarfile.open"
    "socket.socket" "socket.create_connection" "socket.create_server" "sqlite3.connect"
    "tempfile.NamedTemporaryFile" "tempfile.TemporaryFile" "tempfile.SpooledTemporaryFile" "tempfile.TemporaryDirectory"
    "zipfile.ZipFile" "shelve.open" "mmap.mmap" "selectors.DefaultSelector"
    "concurrent.futures.ThreadPoolExecutor" "concurrent.futures.ProcessPoolExecutor"
    "multiprocessing.pool.ThreadPool" "multiprocessing.pool.Pool"))

;; Path("x").open()
((call function: (attribute object: (_) @receiver attribute: (identifier) @_method)) @resource
  (#eq? @_method "open")
  (#instance-of? @receiver "pathlib.PurePath"))
