import multiprocessing
import multiprocessing.pool
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

WORKERS = 12


class TestPools:
    SIZE = 10

    def test_class_constant(self):
        with ThreadPoolExecutor(self.SIZE) as pool:
            assert pool

    def test_module_constant(self):
        with ProcessPoolExecutor(max_workers=WORKERS) as pool:
            assert pool

    def test_multiprocessing(self):
        with multiprocessing.Pool(processes=8) as pool:
            assert pool

    def test_thread_pool(self):
        with multiprocessing.pool.ThreadPool(20) as pool:
            assert pool
