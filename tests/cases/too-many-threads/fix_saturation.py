"""More workers than permits, before and after (HAZARDS row 18)."""
import threading


def test_saturates(guarded):
    semaphore = threading.Semaphore(4)
    threads = [threading.Thread(target=guarded, args=(semaphore,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert guarded.most == 4
