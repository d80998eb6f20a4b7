"""Certificate folders: written whole or not at all, and every changed byte is noticed."""

from __future__ import annotations

import json
import os

import pytest

from cegis.certificate import MANIFEST, Certificate, CertificateError, check_writable

CERTIFICATE = Certificate({"claim": "é"}, {"a.txt": b"alpha", "sub/b.bin": bytes(range(256))})


def test_round_trip(tmp_path):
    folder = CERTIFICATE.save(tmp_path / "c")
    assert Certificate.load(folder) == CERTIFICATE


def test_every_changed_byte_of_every_file_is_noticed(tmp_path):
    folder = CERTIFICATE.save(tmp_path / "c")
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        original = path.read_bytes()
        for place in range(len(original)):
            path.write_bytes(original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :])
            try:
                loaded = Certificate.load(folder)
            except CertificateError:
                pass
            else:  # only white space of the manifest may change without changing what it says
                assert path.name == MANIFEST
                assert loaded == CERTIFICATE
                assert original[place : place + 1].isspace()
        path.write_bytes(original)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "a.txt").unlink(), "a.txt is missing"),
        (lambda f: (f / "new").write_bytes(b""), "new is not listed"),
        (lambda f: (f / MANIFEST).unlink(), "is not a certificate"),
        (lambda f: (f / MANIFEST).write_text("{"), "cannot read"),
        (lambda f: (f / MANIFEST).write_text("[]"), "expected the keys"),
    ],
)
def test_a_damaged_folder_is_one_clear_error(tmp_path, change, message):
    folder = CERTIFICATE.save(tmp_path / "c")
    change(folder)
    with pytest.raises(CertificateError, match=message):
        Certificate.load(folder)


def test_another_format_is_refused(tmp_path):
    folder = CERTIFICATE.save(tmp_path / "c")
    body = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**body, "format": 2}))
    with pytest.raises(CertificateError, match="expected format 1, got 2"):
        Certificate.load(folder)


def test_an_earlier_certificate_is_replaced_and_other_folders_are_not(tmp_path):
    CERTIFICATE.save(tmp_path / "c")
    Certificate({}, {"z": b""}).save(tmp_path / "c")
    assert set(Certificate.load(tmp_path / "c").files) == {"z"}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(CertificateError, match="it holds other files"):
        CERTIFICATE.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_a_link_may_be_written_to_where_the_folder_that_it_leads_to_may(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    check_writable(tmp_path / "link")
    (tmp_path / "real" / "notes.txt").write_text("mine")
    with pytest.raises(CertificateError, match="it holds other files"):
        check_writable(tmp_path / "link")


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "c").write_text("")
    with pytest.raises(CertificateError, match="it is a file"):
        CERTIFICATE.save(tmp_path / "c")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_place_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CertificateError, match="no permission"):
        CERTIFICATE.save(tmp_path / "c")


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    clash = Certificate({}, {"a": b"", "a/b": b""})
    with pytest.raises(CertificateError, match="cannot write"):
        clash.save(tmp_path / "c")
    assert list(tmp_path.iterdir()) == []
