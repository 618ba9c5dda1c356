"""`--sock-engine`: who speaks for the peers, item by item."""

import re

import pytest

from tests.helpers.bun import bun_path
from tests.helpers.parallel import ALONE_AND_PARALLEL

ECHO = """\
sockspec: 1
peers:
  server: {tcp: {listen: loopback}, on: {data: [echo]}}
  client: {tcp: {connect: server}}
exchange:
  - client -> server: "hi"
  - server -> client: "hi"
"""
WRONG = ECHO.replace('server -> client: "hi"', 'server -> client: "ho"')
CASES = ECHO.replace('"hi"', "$a").replace(
    "peers:", 'let: {a: "x"}\ncases:\n  one: {a: "1"}\n  bun: {a: "2"}\npeers:'
)
MIX = "server:bun,client:sockharness"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOCKHARNESS_ENGINE", raising=False)


@pytest.fixture
def bun(monkeypatch: pytest.MonkeyPatch) -> str:
    path = bun_path()
    monkeypatch.setenv("SOCKHARNESS_BUN", path)
    return path


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest("-p", "no:randomly", *args)


def ids(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]


def test_without_it_ids_are_as_ever(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", echo=ECHO, cases=CASES)
    plain = run(pytester, "--sockspec", ".", "--collect-only", "-q")
    ours = run(pytester, "--sockspec", ".", "--collect-only", "-q", "--sock-engine=sockharness")

    assert (
        ids(plain)
        == ids(ours)
        == [
            "cases.yaml::cases[one]",
            "cases.yaml::cases[bun]",
            "echo.yaml::echo",
        ]
    )


def test_each_engine_has_its_item(pytester: pytest.Pytester, bun: str) -> None:
    pytester.makefile(".yaml", echo=ECHO, cases=CASES)
    result = run(
        pytester, "--sockspec", ".", "--collect-only", "-q",
        "--sock-engine=sockharness,bun", f"--sock-engine={MIX}",
    )  # fmt: skip

    assert ids(result) == [
        "cases.yaml::cases[one-sockharness]",
        "cases.yaml::cases[one-bun]",
        "cases.yaml::cases[one-server:bun+client:sockharness]",
        "cases.yaml::cases[bun-sockharness]",
        "cases.yaml::cases[bun-bun]",
        "cases.yaml::cases[bun-server:bun+client:sockharness]",
        "echo.yaml::echo[sockharness]",
        "echo.yaml::echo[bun]",
        "echo.yaml::echo[server:bun+client:sockharness]",
    ]


@pytest.mark.parametrize("parallel", ALONE_AND_PARALLEL)
def test_all_of_them_run(pytester: pytest.Pytester, bun: str, parallel: tuple[str, ...]) -> None:
    pytester.makefile(".yaml", echo=ECHO)
    engines = ("--sock-engine=sockharness,bun", f"--sock-engine={MIX}")

    run(pytester, "--sockspec", ".", *engines, *parallel).assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("expression", "passed"),
    [("bun", 2), ("sockharness", 2), ("client:sockharness", 1), ("not bun", 1)],
)
def test_k_selects_an_engine(
    pytester: pytest.Pytester, bun: str, expression: str, passed: int
) -> None:
    pytester.makefile(".yaml", echo=ECHO)
    result = run(
        pytester, "--sockspec", ".", "-k", expression,
        "--sock-engine=sockharness,bun", f"--sock-engine={MIX}",
    )  # fmt: skip

    result.assert_outcomes(passed=passed, deselected=3 - passed)


def test_lf_runs_what_failed_on_its_engine(pytester: pytest.Pytester, bun: str) -> None:
    pytester.makefile(".yaml", wrong=WRONG, echo=ECHO)
    args = ("--sockspec", ".", "--sock-engine=sockharness,bun")
    run(pytester, *args, "-k", "bun").assert_outcomes(passed=1, failed=1, deselected=2)

    result = run(pytester, *args, "--lf", "-v")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["wrong.yaml::wrong[[]bun[]] FAILED*"])


@pytest.mark.parametrize(
    "name",
    [
        "echo.yaml::echo",
        "echo.yaml::echo[bun]",
        "echo.yaml::echo[sockharness]",
        "echo.yaml::echo[server:bun+client:sockharness]",
        "cases.yaml::cases[bun]",
        "cases.yaml::cases[bun-bun]",
    ],
)
def test_a_pasted_id_runs_without_the_option(
    pytester: pytest.Pytester, bun: str, name: str
) -> None:
    pytester.makefile(".yaml", echo=ECHO, cases=CASES)

    result = run(pytester, "-v", name)

    result.assert_outcomes(passed=1)
    assert f"{name} PASSED" in result.stdout.str()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("echo.yaml::echo[node]", "no 'echo[[]node[]]' in this spec; there is echo"),
        ("cases.yaml::cases[two]", "no 'cases[[]two[]]' in this spec; there are cases[[]one[]], *"),
    ],
)
def test_an_id_that_there_is_not_is_told_with_those_there_are(
    pytester: pytest.Pytester, name: str, told: str
) -> None:
    pytester.makefile(".yaml", echo=ECHO, cases=CASES)

    result = run(pytester, name)

    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [f"*{told}; behind it may stand an engine, *[[]bun[]] or *-bun[]]*"]
    )


def test_the_command_to_run_it_again_is_the_id_which_names_the_engine(
    pytester: pytest.Pytester, bun: str
) -> None:
    pytester.makefile(".yaml", wrong=WRONG)
    result = run(pytester, "--sockspec", ".", "--sock-engine=sockharness,bun", "-k", "bun")

    told = re.search(r"again: +pytest (.*)", result.stdout.str())
    assert told is not None
    assert told[1] == '"wrong.yaml::wrong[bun]"'
    run(pytester, told[1].strip('"')).assert_outcomes(failed=1)


def test_the_command_to_run_it_again_has_the_path_of_bun(
    pytester: pytest.Pytester, bun: str
) -> None:
    pytester.makefile(".yaml", wrong=WRONG)
    result = run(pytester, "--sockspec", ".", "--sock-engine=bun", f"--sock-bun={bun}")

    assert f'again:   pytest --sock-bun={bun} "wrong.yaml::wrong[bun]"' in result.stdout.str()


@pytest.fixture
def without_bun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("SOCKHARNESS_BUN", raising=False)


@pytest.mark.usefixtures("without_bun")
def test_without_bun_its_items_are_skipped_with_the_reason(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", echo=ECHO)
    engines = ("--sock-engine=sockharness,bun", f"--sock-engine={MIX}")

    result = run(pytester, "--sockspec", ".", *engines, "-rs")

    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED [[]2[]] *no 'bun' on PATH; name it with *"])
    result.stdout.fnmatch_lines(
        ["sockharness: engines sockharness bun * (no 'bun' on PATH; name it with --sock-bun=*); *"]
    )


@pytest.mark.usefixtures("without_bun")
def test_a_job_that_is_meant_to_have_bun_fails_without(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", echo=ECHO)
    args = ("--sock-engine=sockharness,bun", "--sock-bun-missing=fail", "-rE")

    result = run(pytester, "--sockspec", ".", *args)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["ERROR echo.yaml::echo[[]bun[]] - no 'bun' on PATH; name it *"])


@pytest.mark.parametrize("way", ["option", "variable", "ini"])
def test_a_named_program_that_is_no_bun_is_a_usage_error(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    pytester.makefile(".yaml", echo=ECHO)
    monkeypatch.delenv("SOCKHARNESS_BUN", raising=False)
    given, source = [], {"option": "--sock-bun", "variable": "SOCKHARNESS_BUN"}.get(way, "")
    if way == "option":
        given = ["--sock-bun=/nowhere/bun"]
    elif way == "variable":
        monkeypatch.setenv("SOCKHARNESS_BUN", "/nowhere/bun")
    else:
        pytester.makeini("[pytest]\nsock_bun = /nowhere/bun\n")
        source = "sock_bun in tox.ini"

    result = run(pytester, "--sockspec", ".", "--sock-engine=bun", *given)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"*{source}: no Bun at /nowhere/bun: No such file *; name Bun 1.3 or newer, *"]
    )
    run(pytester, "--sockspec", ".", *given).assert_outcomes(passed=1)
    assert run(pytester, "echo.yaml::echo[bun]", *given).ret == pytest.ExitCode.USAGE_ERROR


def test_the_header_names_the_engines(pytester: pytest.Pytester, bun: str) -> None:
    pytester.makefile(".yaml", echo=ECHO)

    result = run(pytester, "--sockspec", ".", "--sock-engine=sockharness,bun")

    result.stdout.fnmatch_lines([f"sockharness: engines sockharness bun (bun *: {bun}); net *"])


def test_what_bun_cannot_do_is_a_skip_that_names_the_key(
    pytester: pytest.Pytester, bun: str
) -> None:
    sized = ECHO.replace("listen: loopback", "listen: loopback, recv_buffer: 64KiB")
    pytester.makefile(".yaml", sized=sized)

    result = run(pytester, "--sockspec", ".", "--sock-engine=sockharness,bun", "-rs")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * 'recv_buffer' of server (line 3): Bun's interface *"])


def test_a_spec_may_be_for_one_engine_only(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", ours=ECHO + "engines: [sockharness]\n")
    engines = ("--sock-engine=sockharness,bun", f"--sock-engine={MIX}")

    result = run(pytester, "--sockspec", ".", *engines, "-rs")

    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(
        ["SKIPPED [[]2[]] *: 'engines' (line 8): the spec is for sockharness only"]
    )


def test_a_spec_that_needs_one_process_is_not_mixed(pytester: pytest.Pytester, bun: str) -> None:
    pytester.makefile(".yaml", near=ECHO + "needs: [one_process]\n")
    engines = ("--sock-engine=sockharness,bun", f"--sock-engine={MIX}")

    result = run(pytester, "--sockspec", ".", *engines, "-rs")

    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED *'one_process' (line 8): between two processes, *"])


def test_a_mix_that_mixes_nothing_is_a_skip(pytester: pytest.Pytester) -> None:
    alone = ECHO[: ECHO.index("  server:")] + (
        "  client: {tcp: {connect: 127.0.0.1, port: 1}}\n"
        "exchange: [client: {sees: connect_error, error: ECONNREFUSED}]\n"
    )
    pytester.makefile(".yaml", alone=alone)

    result = run(pytester, "--sockspec", ".", f"--sock-engine={MIX}", "-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * nothing is mixed here: every peer would run on sock*"])


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--sock-engine=sevrer:bun", "no peer 'sevrer' in any spec; did you mean 'server'?"),
        ("--sock-engine=bun,alice:bun", "no peer 'alice' in any spec; there are bob, client, ser*"),
    ],
)
@pytest.mark.parametrize("parallel", ALONE_AND_PARALLEL)
def test_a_peer_that_is_in_no_spec_is_a_usage_error(
    pytester: pytest.Pytester, bun: str, option: str, told: str, parallel: tuple[str, ...]
) -> None:
    named = ECHO.replace("client", "bob")
    pytester.makefile(".yaml", echo=ECHO, named=named)

    result = run(pytester, "--sockspec", ".", option, "-k", "echo", *parallel)

    if parallel:  # those who collect cannot end the run
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines([f"*--sock-engine: {told}*"])
        return
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--sock-engine: {told}*"])


def test_a_peer_of_other_specs_is_a_skip_that_names_those_there_are(
    pytester: pytest.Pytester,
) -> None:
    pytester.makefile(".yaml", echo=ECHO, named=ECHO.replace("client", "bob"))

    result = run(pytester, "--sockspec", ".", "--sock-engine=bob:sockharness", "-rs")

    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED *echo.yaml* no peer 'bob' here; there are server, *"])


def test_a_spec_that_differs_on_an_engine_must_fail_there(
    pytester: pytest.Pytester, bun: str
) -> None:
    pytester.makefile(
        ".yaml", does=WRONG + "differs: {bun: D9}\n", doesnt=ECHO + "differs: {bun: D9}\n"
    )

    result = run(pytester, "--sockspec", ".", "--sock-engine=bun", "-rxf")

    result.assert_outcomes(xfailed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            'XFAIL *does[[]bun[]] - bun differs (D9): line 7: client got "hi", expected "ho"',
            "FAILED *doesnt[[]bun[]] - line 8: this holds, which D9 denies",
        ]
    )


def test_in_a_mix_what_differs_may_hold(pytester: pytest.Pytester, bun: str) -> None:
    pytester.makefile(
        ".yaml", does=WRONG + "differs: {bun: D9}\n", doesnt=ECHO + "differs: {bun: D9}\n"
    )

    result = run(pytester, "--sockspec", ".", f"--sock-engine={MIX}")

    result.assert_outcomes(xfailed=1, passed=1)


def test_a_crash_is_no_difference(pytester: pytest.Pytester, bun: str) -> None:
    pytester.makefile(".yaml", does=WRONG + "differs: {bun: D9}\n")
    pytester.makeconftest(
        """
        import os, signal
        import pytest
        from sockharness.suite.collector import engines

        @pytest.hookimpl(trylast=True)
        def pytest_runtest_setup(item):
            os.kill(engines(item.config).bun.child().pid, signal.SIGKILL)
        """
    )

    result = run(pytester, "--sockspec", ".", "--sock-engine=bun")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED *does[[]bun[]] - line 6: bun died: SIGKILL"])


def test_a_step_that_differs_must_fail_where_it_stands(pytester: pytest.Pytester, bun: str) -> None:
    step = '- {server -> client: "ho", differs: {bun: D9}}'
    there = ECHO.replace('- server -> client: "hi"', step)
    pytester.makefile(".yaml", there=there, early=there.replace("[echo]", '[write: "x", echo]'))
    holds = ECHO.replace('- server -> client: "hi"', step.replace("ho", "hi"))
    pytester.makefile(".yaml", holds=holds)

    result = run(pytester, "--sockspec", ".", "--sock-engine=bun", "-rxf", "-k", "there or holds")

    result.stdout.fnmatch_lines(
        [
            'XFAIL *there[[]bun[]] - bun differs (D9): line 7: client got "hi", expected "ho"',
            "FAILED *holds[[]bun[]] - line 7: this holds, which D9 denies",
        ]
    )


def test_a_step_may_say_what_holds_instead(pytester: pytest.Pytester, bun: str) -> None:
    pytester.makefile(
        ".yaml",
        other=ECHO.replace("data: [echo]", "data: [terminate]").replace(
            '- server -> client: "hi"',
            "- client: {sees: close, error: EPIPE, differs: {bun: D5, error: ECONNRESET}}",
        ),
    )

    args = ("--sockspec", ".", "--sock-engine=sockharness,bun", "--junitxml=out.xml")
    result = run(pytester, *args, "-rf")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["FAILED *other[[]sockharness[]]*closed with ECONNRESET*"])
    assert '<property name="differs" value="D5"' in (pytester.path / "out.xml").read_text()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--sock-engine=bnu", "*--sock-engine: no engine 'bnu'; did you mean 'bun'?*"),
        ("--sock-engine=server:", "*--sock-engine: no engine ''; there are sockharness, bun*"),
    ],
)
def test_a_wrong_engine_is_a_usage_error(pytester: pytest.Pytester, option: str, told: str) -> None:
    pytester.makefile(".yaml", echo=ECHO)

    result = run(pytester, "--sockspec", ".", option)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([told])


def test_a_wrong_engine_is_told_with_where_it_was_named(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makefile(".yaml", echo=ECHO)
    pytester.makeini("[pytest]\nsock_engine = bnu\n")

    run(pytester, "--sockspec", ".").stderr.fnmatch_lines(["*sock_engine in tox.ini: no engine *"])
    monkeypatch.setenv("SOCKHARNESS_ENGINE", "bnu")
    run(pytester, "--sockspec", ".").stderr.fnmatch_lines(["*SOCKHARNESS_ENGINE: no engine 'bnu'*"])


def test_no_child_is_left_when_the_run_is_over(pytester: pytest.Pytester, bun: str) -> None:
    pytester.makefile(".yaml", echo=ECHO)
    pytester.makeconftest(
        """
        from sockharness.suite.collector import engines

        def pytest_runtest_teardown(item):
            print("child", engines(item.config).bun.child().pid)
        """
    )

    result = run(pytester, "--sockspec", ".", "--sock-engine=bun", "-s")

    found = re.search(r"child (\d+)", result.stdout.str())
    assert found is not None
    from pathlib import Path

    assert not Path(f"/proc/{found[1]}").exists()
