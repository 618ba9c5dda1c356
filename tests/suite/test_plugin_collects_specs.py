"""`--sockspec` collects; pytest's own options work on specs as on tests."""

import re
from pathlib import Path

import pytest

from sockharness.machine import probes
from tests.gallery.plugin import Gallery
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
BROKEN = ECHO.replace("listen: loopback", "lisen: loopback")
CASES = ECHO.replace('"hi"', "$a").replace(
    "peers:", 'let: {a: "x"}\ncases:\n  one: {a: "1"}\n  two: {a: "2"}\npeers:'
)


@pytest.fixture
def specs(pytester: pytest.Pytester) -> Path:
    folder = pytester.mkdir("specs")
    (folder / "echo.yaml").write_text(ECHO)
    (folder / "wrong.yml").write_text(WRONG)
    (folder / "notes.txt").write_text("not a spec")
    pytester.makepyfile(test_other="def test_other(): pass")
    return folder


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest("-p", "no:randomly", *args)


def test_alone_it_runs_the_specs_and_nothing_else(pytester: pytest.Pytester, specs: Path) -> None:
    result = run(pytester, "-v", "--sockspec", "specs")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*specs/echo.yaml::echo PASSED*", "*specs/wrong.yml::wrong FAILED*"]
    )
    result.stdout.no_fnmatch_line("*test_other*")


def test_with_arguments_it_adds_the_specs_to_the_tests(
    pytester: pytest.Pytester, specs: Path
) -> None:
    result = run(pytester, "--sockspec", "specs/echo.yaml", "test_other.py")

    result.assert_outcomes(passed=2)


def test_it_may_be_given_several_times(pytester: pytest.Pytester, specs: Path) -> None:
    result = run(pytester, "--sockspec", "specs/echo.yaml", "--sockspec", "specs/wrong.yml")

    result.assert_outcomes(passed=1, failed=1)


def test_without_it_specs_are_left_alone(pytester: pytest.Pytester, specs: Path) -> None:
    result = run(pytester)

    result.assert_outcomes(passed=1)


def test_the_ini_file_adds_specs_to_a_plain_run(pytester: pytest.Pytester, specs: Path) -> None:
    pytester.makeini("[pytest]\nsockspec_paths = specs/echo.yaml\n")

    run(pytester).assert_outcomes(passed=2)


def test_one_id_runs_without_the_option(pytester: pytest.Pytester, specs: Path) -> None:
    run(pytester, "specs/echo.yaml::echo").assert_outcomes(passed=1)


def test_one_id_inside_the_option_runs_alone(pytester: pytest.Pytester, specs: Path) -> None:
    run(pytester, "--sockspec", "specs", "specs/echo.yaml::echo").assert_outcomes(passed=1)


def test_a_yaml_file_that_is_no_spec_is_not_taken_by_name(pytester: pytest.Pytester) -> None:
    path = pytester.makefile(".yaml", other="key: value\n")

    result = run(pytester, str(path))

    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_cases_are_items_with_their_names(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", echo=CASES)

    result = run(pytester, "-v", "--sockspec", "echo.yaml")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*echo.yaml::echo[[]one[]] PASSED*", "*::echo[[]two[]] PASSED*"])


def test_k_selects(pytester: pytest.Pytester, specs: Path) -> None:
    run(pytester, "--sockspec", "specs", "-k", "echo").assert_outcomes(passed=1, deselected=1)


def test_x_stops_at_the_first_failure(pytester: pytest.Pytester, specs: Path) -> None:
    (specs / "a-first.yaml").write_text(WRONG)

    run(pytester, "--sockspec", "specs", "-x").assert_outcomes(failed=1)


def test_lf_runs_what_failed_last(pytester: pytest.Pytester, specs: Path) -> None:
    run(pytester, "--sockspec", "specs")

    run(pytester, "--sockspec", "specs", "--lf").assert_outcomes(failed=1)


def test_lf_runs_the_case_that_failed_last(pytester: pytest.Pytester) -> None:
    pytester.makefile(
        ".yaml", echo=CASES.replace("- server -> client: $a", '- server -> client: "2"')
    )
    run(pytester, "--sockspec", "echo.yaml").assert_outcomes(passed=1, failed=1)

    result = run(pytester, "--sockspec", ".", "--lf", "-v")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["echo.yaml::echo[[]one[]] FAILED*"])


def test_collect_only_lists_the_items(pytester: pytest.Pytester, specs: Path) -> None:
    result = run(pytester, "--sockspec", "specs", "--collect-only", "-q")

    result.stdout.fnmatch_lines(["specs/echo.yaml::echo", "specs/wrong.yml::wrong"])
    assert result.ret == pytest.ExitCode.OK


def test_collect_only_reports_a_broken_spec(pytester: pytest.Pytester, specs: Path) -> None:
    (specs / "broken.yaml").write_text(BROKEN)

    result = run(pytester, "--sockspec", "specs", "--collect-only")

    result.stdout.fnmatch_lines(["*line 3: unknown key 'lisen'*", "*broken.yaml:3:18*"])
    assert result.ret == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize("parallel", ALONE_AND_PARALLEL)
def test_a_broken_spec_is_one_erroring_item_and_the_others_run(
    pytester: pytest.Pytester, specs: Path, parallel: tuple[str, ...]
) -> None:
    (specs / "broken.yaml").write_text(BROKEN)

    result = run(pytester, "--sockspec", "specs", *parallel)

    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "line 3: unknown key 'lisen'",
            "  specs/broken.yaml:3:18",
            "*server: {tcp: {lisen: loopback}*",
            "*hint: did you mean 'listen'[?]*",
        ]
    )
    result.stdout.fnmatch_lines(["ERROR specs/broken.yaml::broken - line 3: unknown key 'lisen'"])
    assert "sockharness/suite/collector.py" not in result.stdout.str()


@pytest.mark.starts_xdist
def test_specs_run_in_parallel(pytester: pytest.Pytester, specs: Path) -> None:
    for number in range(20):
        (specs / f"echo-{number}.yaml").write_text(ECHO)

    run(pytester, "--sockspec", "specs", "-n", "2", "-k", "echo").assert_outcomes(passed=21)


@pytest.mark.one_golden_file
@pytest.mark.parametrize("parallel", ALONE_AND_PARALLEL)
def test_a_failure_tells_the_same_everywhere(
    pytester: pytest.Pytester, specs: Path, parallel: tuple[str, ...], gallery: Gallery
) -> None:
    result = run(pytester, "--sockspec", "specs/wrong.yml", "--junitxml", "out.xml", *parallel)

    whole = result.stdout.str()
    text = whole[whole.index("line 7: client got") :]
    gallery.check(text[: text.index("\n\n", text.index("differs from offset"))])
    result.stdout.fnmatch_lines(['  again:   pytest "specs/wrong.yml::wrong"'])
    result.stdout.fnmatch_lines(
        ['FAILED specs/wrong.yml::wrong - line 7: client got "hi", expected "ho"']
    )
    junit = (pytester.path / "out.xml").read_text()
    assert "differs from offset 1" in junit
    assert re.search(r'message="line 7: client got', junit)


def test_a_path_that_does_not_exist_is_a_usage_error(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--sockspec", "nowhere")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--sockspec: no such file or folder: *nowhere*"])


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--sock-timeout-scale=fast", "*--sock-timeout-scale: expected a number*got 'fast'*"),
        ("--sock-timeout-scale=0", "*--sock-timeout-scale: expected a number*got '0'*"),
        ("--sock-timeout-scale=nan", "*--sock-timeout-scale: expected a number*got 'nan'*"),
        ("--sock-timeout-scale=", "*--sock-timeout-scale: expected a number*got ''*"),
        ("--sock-allow-net=everything", "*--sock-allow-net: expected CIDR*got 'everything'*"),
        ("--sock-capture=perhaps", "*invalid choice: 'perhaps'*"),
    ],
)
def test_a_wrong_option_is_a_usage_error(
    pytester: pytest.Pytester, specs: Path, option: str, told: str
) -> None:
    result = run(pytester, "--sockspec", "specs", option)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([told])


@pytest.mark.parametrize("name", ["capture", "capture_missing", "bun_missing"])
@pytest.mark.parametrize("place", ["environment", "ini file"])
def test_a_wrong_choice_is_told_before_anything_is_collected(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, place: str, name: str
) -> None:
    if place == "environment":
        monkeypatch.setenv(f"SOCKHARNESS_{name.upper()}", "x")
        source = f"SOCKHARNESS_{name.upper()}"
    else:
        pytester.makeini(f"[pytest]\nsock_{name} = x\n")
        source = f"sock_{name} in tox.ini"

    result = run(pytester)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    choices = "auto, off" if name == "capture" else "skip, fail"
    told = [line for line in result.errlines if line]
    assert told == [f"ERROR: {source}: expected one of {choices}, got 'x'"]


def test_a_wrong_choice_by_override_is_told_with_its_name(pytester: pytest.Pytester) -> None:
    result = run(pytester, "-o", "sock_capture=x")

    result.stderr.fnmatch_lines(["ERROR: sock_capture: expected one of auto, off, got 'x'"])


def test_the_time_scale_multiplies_a_steps_limit(pytester: pytest.Pytester) -> None:
    waits = ECHO.replace('server -> client: "hi"', "client: {sees: end}")
    pytester.makefile(".yaml", waits=waits)

    result = run(pytester, "--sockspec", "waits.yaml", "--sock-timeout-scale", "0.01")

    result.stdout.fnmatch_lines(
        [
            "line 7: client saw no end*",
            "*waiting: client for end, * of 0.05 s (default, scale 0.01)*",
        ]
    )


def test_the_environment_sets_the_time_scale_too(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, specs: Path
) -> None:
    monkeypatch.setenv("SOCKHARNESS_TIMEOUT_SCALE", "2.5")

    result = run(pytester, "--sockspec", "specs/echo.yaml")

    result.stdout.fnmatch_lines(["sockharness: net loopback; *timeout scale 2.5"])


def test_an_address_outside_loopback_is_refused_with_the_option_that_allows_it(
    pytester: pytest.Pytester,
) -> None:
    outside = ECHO.replace("listen: loopback", "listen: 192.0.2.7")
    pytester.makefile(".yaml", outside=outside)

    result = run(pytester, "--sockspec", "outside.yaml")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["line 3: 192.0.2.7:0 is not a loopback address", "*--sock-allow-net=192.0.2.7*"]
    )


def test_fixtures_of_the_user_run_around_a_spec(pytester: pytest.Pytester, specs: Path) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(autouse=True)
        def around(request):
            print("before", request.node.name)
            yield
            print("after", request.node.name)
        """
    )

    result = run(pytester, "--sockspec", "specs/echo.yaml", "-s")

    result.stdout.fnmatch_lines(["*before echo*", "*after echo*"])


@pytest.mark.parametrize("parallel", ALONE_AND_PARALLEL)
def test_tests_beside_specs_are_not_collected(
    pytester: pytest.Pytester, specs: Path, parallel: tuple[str, ...]
) -> None:
    (specs / "test_beside.py").write_text("def test_beside(): pass")

    run(pytester, "--sockspec", "specs", "-k", "not wrong", *parallel).assert_outcomes(
        passed=1, deselected=0 if parallel else 1
    )
    run(pytester, "--sockspec", "specs/echo.yaml", "specs/test_beside.py").assert_outcomes(passed=2)


def test_a_one_line_traceback_names_the_line_of_the_spec(
    pytester: pytest.Pytester, specs: Path
) -> None:
    result = run(pytester, "--sockspec", "specs/wrong.yml", "--tb=line")

    result.stdout.fnmatch_lines(["specs/wrong.yml:7: line 7: client got*"])


def test_a_folder_of_specs_without_the_option_runs_nothing_and_says_how(
    pytester: pytest.Pytester,
) -> None:
    (pytester.mkdir("specs") / "echo.yaml").write_text(ECHO)
    (pytester.mkdir("other") / "other.yaml").write_text("a: 1\n")

    result = pytester.runpytest("specs")
    other = pytester.runpytest("other")

    assert result.ret == other.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["sockharness: there are specs in specs: pytest --sockspec specs"])
    other.stdout.no_fnmatch_line("*--sockspec*")


@pytest.mark.parametrize(
    ("reason", "outcome"), [("", {"passed": 1}), ("no namespaces here", {"skipped": 1})]
)
def test_a_spec_that_needs_namespaces_runs_where_they_can_be_made(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    reason: str,
    outcome: dict[str, int],
) -> None:
    monkeypatch.setattr(probes, "_PROBES", {"netns": lambda: reason})
    pytester.makefile(".yaml", far=ECHO + "needs: [netns]\n")

    result = pytester.runpytest_inprocess("--sockspec", "far.yaml", "-rs")

    result.assert_outcomes(**outcome)
    if reason:
        result.stdout.fnmatch_lines([f"SKIPPED * {reason}"])
