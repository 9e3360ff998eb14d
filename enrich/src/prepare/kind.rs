//! Detects files that are not text by their first bytes.

/// Number of first bytes to look at.
pub(super) const HEAD: usize = 4096;

/// First bytes of files often mistaken for tables, and what to do with each.
const MAGIC: [(&[u8], &str); 20] = [
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"PK\x05\x06", "an empty zip archive; take another file"),
    (b"BZh", "a bzip2 file; unpack it first (bunzip2), or pack it with gzip"),
    (b"\xfd7zXZ\0", "an xz file; unpack it first (unxz), or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file; unpack it first (unzstd), or pack it with gzip"),
    (b"\x04\x22\x4d\x18", "an LZ4 file; unpack it first (unlz4), or pack it with gzip"),
    (b"\x1f\x9d", "a file of compress; unpack it first (uncompress)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive; unpack it first"),
    (b"\xff\xfe\0\0", "UTF-32 text; save it as UTF-8"),
    (b"\0\0\xfe\xff", "UTF-32 text; save it as UTF-8"),
    (b"\xff\xfe", "UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text; save it as UTF-8"),
    (b"PAR1", "a Parquet file; write it as CSV or JSON lines"),
    (b"\xd0\xcf\x11\xe0", "an Excel or other Office file; save the sheet as CSV in UTF-8"),
    (b"\x89HDF", "an HDF5 file; write it as CSV or JSON lines"),
    (b"SQLite format 3\0", "an SQLite database; write the table as CSV"),
    (b"\x93NUMPY", "a NumPy array; write it as CSV"),
    (b"%PDF-", "a PDF; take the data behind it"),
    (b"version https://git-lfs", "a pointer of Git LFS and not the file itself; fetch it (git lfs pull)"),
];

/// Returns what a file with these first bytes is and what to do, unless it is readable text.
pub(super) fn obstacle(head: &[u8]) -> Option<&'static str> {
    let magic = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)).map(|&(_, what)| what);
    if magic.is_some() && head.starts_with(b"PK") && is_in(head, b"[Content_Types].xml") {
        return Some("an Excel or other Office file; save the sheet as CSV in UTF-8");
    }
    magic.or_else(|| match head {
        _ if head.get(257..262) == Some(b"ustar") => Some("a tar archive; unpack it first"),
        // A pickle of protocol 2 to 5.
        [0x80, 2..=5, ..] if head.last() == Some(&b'.') || head.get(2) == Some(&0x95) => {
            Some("a Python pickle, which is never opened; write it as CSV or JSON lines")
        }
        [a, 0, b, 0, ..] | [0, a, 0, b, ..] if *a != 0 && *b != 0 => Some("UTF-16 text; save it as UTF-8"),
        _ if is_html(head) => Some("an HTML page under another name; download the file itself"),
        _ if !head.contains(&b'\n') && head.iter().filter(|&&byte| byte == b'\r').count() > 1 => {
            Some("lines that end with CR alone, as on old Macs; save it with LF or CRLF")
        }
        _ => None,
    })
}

/// Whether a file with these first bytes is a web page.
pub(crate) fn is_html(head: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&head[..head.len().min(64)]).trim_start().to_ascii_lowercase();
    start.starts_with("<!doctype html") || start.starts_with("<html")
}

/// Like [`obstacle`], for the content of a gzip file.
pub(super) fn obstacle_inside(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x1f, 0x8b, ..] => Some("gzip data inside gzip data; unpack it once"),
        _ => obstacle(head),
    }
}

fn is_in(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_first_bytes() {
        let mut tar = vec![0; 512];
        tar[..7].copy_from_slice(b"log.csv");
        tar[257..262].copy_from_slice(b"ustar");
        let cases: [(&[u8], &str); 14] = [
            (b"PK\x03\x04\x14\0\0\0log.csv", "zip archive"),
            (b"PK\x03\x04\x14\0\0\0[Content_Types].xml", "Excel"),
            (b"BZh91AY&SY", "bzip2"),
            (b"\xfd7zXZ\0\0", "xz file"),
            (b"\x28\xb5\x2f\xfd\x04", "Zstandard"),
            (b"\xff\xfeu\0,\0i\0", "UTF-16"),
            (b"\xfe\xff\0u\0,", "UTF-16"),
            (b"u\0,\0i\0\n\0", "UTF-16"),
            (b"\0u\0,\0i\0\n", "UTF-16"),
            (b"PAR1\x15\x04", "Parquet"),
            (b"\x80\x04\x95\x10", "pickle"),
            (b"\n<!DOCTYPE html><html>", "HTML"),
            (b"u,i\rann,B1\rbob,B2\r", "CR alone"),
            (&tar, "tar archive"),
        ];
        for (head, words) in cases {
            let found = obstacle(head).unwrap_or_default();
            assert!(found.contains(words), "{words}: {found}");
        }
        assert!(obstacle_inside(&[0x1f, 0x8b, 8]).unwrap().contains("inside"));
    }

    #[test]
    fn text_is_no_obstacle() {
        let texts: [&[u8]; 9] = [
            b"",
            b"a",
            b"u,i\r\nann,B1\r\n",
            b"\xef\xbb\xbfu,i\n",
            b"{\"a\": 1}",
            b"B1\t2",
            b"one row\r",
            b"P",
            b"<b>",
        ];
        for text in texts {
            assert_eq!(obstacle(text), None, "{text:?}");
        }
        assert_eq!(obstacle("zoë,日本\n".as_bytes()), None);
    }
}
