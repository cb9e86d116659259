"""The page of `modelkit report` in a browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import PROGRAM, Page, chromium
from report_world import world_and_page

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world_and_page(tmp_path_factory.getbasetemp())[1]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    if PROGRAM is None:
        pytest.skip("no chromium on this machine; apt-get install chromium")
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as found:
        yield found


SHOWN = """[...document.images].every(i => i.complete && i.naturalWidth > 0)"""


class TestInABrowser:
    def test_nothing_fails_and_nothing_is_loaded(self, browser: Page, page: Path) -> None:
        browser.open(page)
        assert browser.run("document.images.length") > 20
        assert browser.run(SHOWN)
        assert browser.run("getComputedStyle(document.querySelector('.skip')).position")
        assert browser.errors == []
        assert browser.requests == [page.resolve().as_uri()]

    @pytest.mark.parametrize("width", [320, 390, 1280])
    def test_the_page_does_not_scroll_sideways(self, browser: Page, page: Path, width: int) -> None:
        browser.open(page, width=width)
        browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run("document.documentElement.clientWidth") >= width - 20
        if width < 600:  # wide tables scroll in their own boxes
            boxes = "[...document.querySelectorAll('.box')]"
            assert browser.run(f"{boxes}.some(b => b.scrollWidth > b.clientWidth)")
            assert browser.run(f"{boxes}.every(b => b.getBoundingClientRect().right <= {width})")

    def test_a_click_on_a_name_sorts(self, browser: Page, page: Path) -> None:
        browser.open(page)
        where = """
            (() => {
              const tables = [...document.querySelectorAll("table")];
              const table = tables.find(t => t.caption.textContent.startsWith("Numbers of each"));
              const names = [...table.tHead.rows[0].cells];
              const at = names.findIndex(c => c.textContent.startsWith("train loss"));
              return [table, names[at], at];
            })()
        """
        values = (
            f"(([t, , at]) => [...t.tBodies[0].rows].map(r => r.cells[at].dataset.value))({where})"
        )
        click = f"(([, name]) => name.querySelector('button').click())({where})"
        kind = f"(([, name]) => name.getAttribute('aria-sort'))({where})"
        before = [float(each) for each in browser.run(values)]
        assert len(before) == 4
        assert browser.run(kind) is None
        browser.run(click)
        assert [float(each) for each in browser.run(values)] == sorted(before)
        assert browser.run(kind) == "ascending"
        browser.run(click)
        assert [float(each) for each in browser.run(values)] == sorted(before, reverse=True)
        assert browser.run(kind) == "descending"
        assert browser.errors == []

    def test_names_sort_as_people_count_and_none_is_last(
        self, browser: Page, page: Path, tmp_path: Path
    ) -> None:
        """In a page whose one table is another: the script is the page's own."""
        text = page.read_text("utf-8")
        rows = "".join(
            f'<tr><th scope="row">{name}</th><td data-value="{value}">x</td></tr>'
            for name, value in (("s10", "2"), ("s9", ""), ("s1", "-3"), ("t", "1e3"))
        )
        body = f"<thead><tr><th>a</th><th>b</th></tr></thead><tbody>{rows}</tbody>"
        changed = re.sub(r"<main.*</main>", f"<main><table>{body}</table></main>", text, flags=re.S)
        (tmp_path / "t.html").write_text(changed, "utf-8")
        browser.open(tmp_path / "t.html")
        names = "[...document.querySelectorAll('tbody th')].map(c => c.textContent)"
        first, second = (f"document.querySelectorAll('thead button')[{i}].click()" for i in (0, 1))
        browser.run(first)
        assert browser.run(names) == ["s1", "s9", "s10", "t"]
        browser.run(second)
        assert browser.run(names) == ["s1", "s10", "t", "s9"]
        browser.run(second)
        assert browser.run(names) == ["t", "s10", "s1", "s9"]
        kinds = "[...document.querySelectorAll('thead th')].map(c => c.getAttribute('aria-sort'))"
        assert browser.run(kinds) == [None, "descending"]

    def test_text_has_contrast(self, browser: Page, page: Path) -> None:
        """4.5:1 of every text on its ground (WCAG 2.2, 1.4.3)."""
        browser.open(page)
        worst = browser.run("""
            (() => {
              const light = c => c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
                .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
                .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
              const ground = e => {
                const c = e ? getComputedStyle(e).backgroundColor : "rgb(255, 255, 255)";
                return c === "rgba(0, 0, 0, 0)" ? ground(e.parentElement) : c;
              };
              const ratios = [...document.querySelectorAll("body *")]
                .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
                .map(e => [light(getComputedStyle(e).color), light(ground(e))])
                .map(([a, b]) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
              return [ratios.length, Math.min(...ratios)];
            })()
        """)
        assert worst[0] > 100
        assert worst[1] >= 4.5

    def test_the_keyboard_reaches_tables_and_shows_where_it_is(
        self, browser: Page, page: Path
    ) -> None:
        browser.open(page)
        for kind in ("keyDown", "keyUp"):
            browser.ask("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab",
                        windowsVirtualKeyCode=9)  # fmt: skip
        assert browser.run("document.activeElement.className") == "skip"
        assert browser.run("document.activeElement.getBoundingClientRect().left") >= 0
        assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert browser.run("[...document.querySelectorAll('.box')].every(b => b.tabIndex === 0)")

    def test_it_prints(self, browser: Page, page: Path) -> None:
        browser.open(page)
        printed = browser.pdf()
        assert printed.startswith(b"%PDF-")
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 3
        browser.ask("Emulation.setEmulatedMedia", media="print")
        try:
            assert browser.run("getComputedStyle(document.querySelector('nav')).display") == "none"
            assert browser.run("document.querySelector('pre').getBoundingClientRect().height") > 100
            browser.resize(680)  # A4 within its margins
            assert browser.run("document.documentElement.scrollWidth") <= 680
        finally:
            browser.ask("Emulation.setEmulatedMedia", media="")

    def test_it_works_without_its_script(self, browser: Page, page: Path) -> None:
        browser.ask("Emulation.setScriptExecutionDisabled", value=True)
        try:
            browser.open(page)
            assert browser.run("document.querySelectorAll('table button').length") == 0
            assert browser.run("document.querySelector('h1').offsetHeight") > 0
            assert browser.run(SHOWN)
        finally:
            browser.ask("Emulation.setScriptExecutionDisabled", value=False)

    def test_the_driver_sees_what_is_wrong(self, browser: Page, tmp_path: Path) -> None:
        """Or the tests above could not fail."""
        (tmp_path / "bad.html").write_text(
            "<img src='nothing.png'><script>console.error('a'); throw new Error('b')</script>"
        )
        browser.open(tmp_path / "bad.html")
        assert not browser.run(SHOWN)
        assert any(each.endswith("nothing.png") for each in browser.requests)
        assert any("'a'" in each for each in browser.errors)
        assert any("Error: b" in each for each in browser.errors)
