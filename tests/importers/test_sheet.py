"""Sheets of workbooks are tables like those of text; the workbooks are written by openpyxl."""

import datetime
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gpuae.errors import InputError
from gpuae.importers import LabelsFile, ReadOptions, open_data, workbook
from gpuae.storage.files import limits

openpyxl = pytest.importorskip("openpyxl")

FLOWERS = [("id", "length", "width", "label"), ("007", 1.5, 2, "a"), ("008", 3.25, 4, "b")]


@pytest.fixture
def save(tmp_path):
    """A function that writes sheets, by their titles, into a workbook and returns its path."""

    def save(name="book.xlsx", **sheets):
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        book.save(tmp_path / name)
        return str(tmp_path / name)

    return save


def refused(spec, words, **options):
    with pytest.raises(InputError, match=words) as caught:
        open_data(spec, options=ReadOptions(**options))
    assert "\n" not in str(caught.value)


def test_a_sheet_has_features_labels_and_ids_as_a_table_of_text_has(save):
    path = save(Flowers=FLOWERS)
    flowers = open_data(path, options=ReadOptions(id_column="id"))
    np.testing.assert_array_equal(flowers.x, [[1.5, 2], [3.25, 4]])
    assert flowers.x.dtype == np.float32
    assert flowers.feature_names == ("length", "width")
    assert flowers.y.tolist() == ["a", "b"]
    assert flowers.row_id.tolist() == ["007", "008"]
    assert flowers.source == f"{path}::Flowers"
    assert flowers.file.path == Path(path)


def test_numbers_are_those_of_the_workbook_to_the_last_digit(save):
    rows = [("a", "b", "c"), (0.1, 2460000.6, 12345678901), (1e-47, 1 / 3, -5)]
    path = save(S=rows)
    np.testing.assert_array_equal(open_data(path).x, np.array(rows[1:]))
    np.testing.assert_array_equal(open_data(path, options=ReadOptions(decimal=",")).x, rows[1:])


def test_the_only_sheet_with_anything_in_it_is_taken_and_of_several_one_is_named(save):
    numbers = [("a", "b"), (1, 2)]
    assert len(open_data(save(Empty=[], Numbers=numbers)).x) == 1
    path = save(One=numbers, Two=[("a", "b"), (3, 4), (5, 6)])
    refused(path, r"has several sheets; give FILE::SHEET to say which: .* 'One', 'Two'")
    np.testing.assert_array_equal(open_data(f"{path}::Two").x, [[3, 4], [5, 6]])
    refused(f"{path}::Three", r"book.xlsx::Three: is not in the workbook; .* 'One', 'Two'")
    refused(save(Empty=[]), "has no sheet with anything in it")


def test_a_table_may_begin_anywhere_in_a_sheet(save):
    path = save(S=[(), (None, None, "a", "b"), (), (None, None, 1, 2), (None, None, 3, 4)])
    dataset = open_data(path)
    assert dataset.feature_names == ("a", "b")
    np.testing.assert_array_equal(dataset.x, [[1, 2], [3, 4]])


def test_empty_cells_are_missing_values_and_truth_values_numbers(save):
    path = save(S=[("a", "b", "c"), (1, None, True), (2, 3, None), (None, 5, False)])
    refused(path, r"3 cells are empty, the first at line 2, column 'b'")
    x = open_data(path, options=ReadOptions(missing=True)).x
    np.testing.assert_array_equal(x, [[1, np.nan, 1], [2, 3, np.nan], [np.nan, 5, 0]])


def test_dates_are_no_numbers_and_are_told_as_text_is(save):
    when = datetime.datetime(2024, 5, 17, 8, 30)
    path = save(S=[("when", "b"), (when, 1), (when, 2)])
    refused(path, r"line 2, column 'when': '2024-05-17 08:30:00' is not a number")
    dated = open_data(path, options=ReadOptions(id_column="when"))
    assert dated.row_id[0] == "2024-05-17 08:30:00"
    timed = open_data(path, options=ReadOptions(times="when"))
    assert timed.x[0].tolist() == [when.replace(tzinfo=datetime.UTC).timestamp(), 1]


def test_text_in_cells_stays_one_cell_whatever_is_in_it(save):
    labels = ['an, "odd"; one', "two\nlines\tor more", "# no comment"]
    rows = [("label", "#x"), *((label, number) for number, label in enumerate(labels))]
    dataset = open_data(save(S=rows))
    assert dataset.y.tolist() == ['an, "odd"; one', "two lines or more", "# no comment"]
    assert dataset.feature_names == ("#x",)


def test_a_header_is_recognised_or_asked_for_as_in_text(save):
    path = save(S=[(400, 500), (1, 2), (3, 4)])
    refused(path, "its first row is all numbers, so there is no header")
    assert open_data(path, options=ReadOptions(header=True)).feature_names == ("400", "500")
    assert len(open_data(path, options=ReadOptions(header=False)).x) == 3


def test_labels_in_a_workbook_of_their_own(save):
    path = save(S=[("the kind",), ("iris setosa",), ("iris virginica",)])
    rows = save("rows.xlsx", S=[("a",), (1,), (2,)])
    dataset = open_data(rows, LabelsFile(Path(path)))
    assert dataset.y.tolist() == ["iris setosa", "iris virginica"]


def cell(path, old, new, member="xl/worksheets/sheet1.xml"):
    """Change a member of a workbook as another program might have written it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert old in members[member]
    members[member] = members[member].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_formulas_count_as_their_values_and_need_one(save):
    path = save(S=[("a", "b"), (1, "=A2+1"), (2, 3)])
    refused(path, "cell B2 holds a formula without its value; open the workbook")
    refused(path, "cell B2 holds a formula without its value", missing=True)
    cell(path, b"<v></v>" if b"<v></v>" in _sheet(path) else b"<v />", b"<v>2</v>")
    np.testing.assert_array_equal(open_data(path).x, [[1, 2], [2, 3]])


def _sheet(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("xl/worksheets/sheet1.xml")


def test_declared_dimensions_need_not_be_true(save):
    path = save(S=FLOWERS)
    cell(path, b'ref="A1:D3"', b'ref="A1"')
    assert open_data(path).x.shape == (2, 3)


def test_xml_that_declares_entities_is_refused_before_it_grows(save):
    path = save(S=FLOWERS)
    laughs = b'<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><worksheet'
    cell(path, b"<worksheet", laughs)
    refused(path, "holds XML that declares types or entities of its own")


def test_a_few_bytes_that_unpack_to_very_many(save, monkeypatch):
    path = save(S=FLOWERS)
    cell(path, b"<sheetData>", b"<sheetData>" + b" " * 300_000)
    monkeypatch.setattr(limits, "_stack", [limits.Limits(1000, 1 << 16, 1 << 30, 1 << 30)])
    monkeypatch.setattr(workbook, "MOST_INFLATION", 10)
    refused(path, "unpacks to over 10 times its size; .*--trust-size")
    with limits.trust_size():
        assert len(open_data(path).x) == 2


def test_one_long_text_that_many_cells_share(save, monkeypatch):
    path = save(S=[("label", "a"), *(("x" * 30_000, 1) for _ in range(50))])
    monkeypatch.setattr(limits, "_stack", [limits.Limits(1000, 1 << 18, 1 << 30, 1 << 30)])
    monkeypatch.setattr(workbook, "MOST_INFLATION", 10)
    refused(path, "unpacks to over 10 times its size")


def test_a_row_beyond_the_last_of_any_sheet(save, monkeypatch):
    path = save(S=[("a",), (1,)])
    monkeypatch.setattr(workbook, "MOST_ROWS", 1000)
    cell(path, b'<row r="2"', b'<row r="99999999999"')
    refused(path, "has a row beyond the last that a sheet has")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_workbook_that_is_cut_short(save, share):
    path = Path(save(S=FLOWERS))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(str(path), "cannot be read")


def test_damaged_xml_is_one_sentence(save):
    path = save(S=FLOWERS)
    cell(path, b"</sheetData>", b"</sheet>")
    refused(path, "is an Excel workbook; save its sheet as csv, for it cannot be read as it is")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("EncryptedPackage", "that a password protects; save it without a password"),
        ("Workbook", "of the format before 2007; save it as xlsx"),
    ],
)
def test_what_lies_in_the_older_container(tmp_path, name, words):
    path = tmp_path / "old.xls"
    path.write_bytes(workbook.OLE_MAGIC + bytes(1528) + name.encode("utf-16-le") + bytes(512))
    refused(str(path), words)


def test_a_binary_workbook_is_told_apart(tmp_path):
    path = tmp_path / "book.xlsb"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.bin", b"")
        archive.writestr("xl/workbook.bin", b"")
    refused(str(path), "is a binary Excel workbook; save its sheet as csv")


def test_without_openpyxl_one_sentence_says_what_to_install(save, monkeypatch):
    path = save(S=FLOWERS)
    monkeypatch.setattr(workbook, "find_spec", lambda name: None)
    refused(path, re.escape("install it: pip install 'gpuae[excel]'"))


def test_a_sheet_of_another_name_may_not_declare_entities_either(save):
    path = save(S=FLOWERS)
    cell(path, b"<worksheet", b'<!DOCTYPE a [<!ENTITY b "ha">]><worksheet')
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            elsewhere = content.replace(b"sheet1.xml", b"sheet1.bin")
            archive.writestr(name.replace("sheet1.xml", "sheet1.bin"), elsewhere)
    refused(path, "holds XML that declares types or entities of its own")


def test_a_workbook_that_is_packed_as_none_is_refused(save):
    path = save(S=FLOWERS)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    refused(path, "packed neither by deflate")
