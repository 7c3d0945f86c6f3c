"""The generator writes the next prompt from a template."""

import threading

import pytest

from m2 import MissingVariable, PromptGenerator, UnknownTemplate


def test_default_template(generator):
    assert generator.generate("continue", task="the tests").text == "Please continue with the tests."


def test_own_template():
    generator = PromptGenerator({"greet": "Hello {name}, hello {name}!"})
    assert generator.generate("greet", name="you").text == "Hello you, hello you!"


def test_names_are_sorted(generator):
    generator.register("zebra", "z")
    assert ", ".join(generator.names) == "answer, continue, fix, zebra"


def test_variables_in_order_of_first_use(generator):
    generator.register("t", "{b} {a} {{c}} {b}")
    assert generator.variables("t") == ["b", "a"]


def test_missing_variables_are_named(generator):
    with pytest.raises(MissingVariable) as caught:
        generator.generate("fix", count=3)
    assert caught.value.names == ["path"]


def test_unknown_template(generator):
    with pytest.raises(UnknownTemplate):
        generator.generate("no_such_template")


@pytest.mark.parametrize("name", ["", "two words", "1st"])
def test_bad_names(generator, name):
    with pytest.raises(ValueError):
        generator.register(name, "text")


def test_braces(generator):
    generator.register("json", '{{"task": "{task}"}}')
    assert generator.generate("json", task="x").text == '{"task": "x"}'


def test_values_are_not_expanded_again(generator):
    assert generator.generate("continue", task="{task}").text == "Please continue with {task}."


def test_long_template(generator):
    generator.register("long", "x" * 30_000 + "{end}")
    prompt = generator.generate("long", end="!")
    assert len(prompt.text) == 30_000 + 1
    assert prompt.text.endswith("x!")


def test_concurrent_generation(generator):
    results = []

    def generate(number):
        results.append(generator.generate("continue", task=f"task {number}"))

    threads = []
    for number in range(10):
        thread = threading.Thread(target=generate, args=(number,))
        threads.append(thread)
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 10
    assert len({prompt.text for prompt in results}) == 10
    assert [prompt.number for prompt in generator.history] == list(range(1, len(results) + 1))


def test_register_while_generating(generator):
    errors = []

    def replace():
        try:
            for version in range(10):
                generator.register("shared", f"version {version} of {{what}}")
        except Exception as error:
            errors.append(error)

    def generate():
        try:
            for _ in range(10):
                assert generator.generate("shared", what="it").text.endswith(" of it")
        except Exception as error:
            errors.append(error)

    generator.register("shared", "first version of {what}")
    workers = {"replace": threading.Thread(target=replace), "generate": threading.Thread(target=generate)}
    for worker in workers.values():
        worker.start()
    for worker in workers.values():
        worker.join()
    assert errors == []
    assert generator.generate("shared", what="it").text == "version 9 of it"
    assert len(generator.history) == 11
