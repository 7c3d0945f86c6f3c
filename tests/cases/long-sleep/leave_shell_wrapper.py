from sh import sleep


def test_runs_the_program():
    assert sleep(5).exit_code == 0
