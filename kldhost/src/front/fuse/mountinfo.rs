//! `/proc/self/mountinfo`, proc(5).

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

/// A file system that is mounted.
#[derive(Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Its type, such as `ext3`.
    pub fstype: String,
    /// The name of the mounted device.
    pub source: String,
}

/// The file system that is mounted on `dir`, the topmost one; `None` if none is.
pub fn mounted_on(dir: &Path) -> io::Result<Option<Mounted>> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    let mounts = table.split(|&byte| byte == b'\n').filter_map(parse);
    Ok(mounts
        .filter(|(on, _)| Path::new(on) == dir)
        .map(|(_, mounted)| mounted)
        .next_back())
}

/// The mount point and what is there, of a line such as `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1
/// - ext3 /dev/root rw`.
fn parse(line: &[u8]) -> Option<(OsString, Mounted)> {
    let mut fields = line.split(|&byte| byte == b' ').map(unescape);
    let mount_point = fields.nth(4)?;
    let mut fields = fields
        .skip_while(|field| field != "-")
        .skip(1)
        .map(|field| field.to_string_lossy().into_owned());
    Some((
        mount_point,
        Mounted {
            fstype: fields.next()?,
            source: fields.next()?,
        },
    ))
}

/// Blanks and backslashes are written as a backslash and three octal digits.
fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let digits = tail.get(..3).and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) if byte == b'\\' => {
                bytes.push(code);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let line =
            br"36 35 98:0 / /mnt/a\040b\134 rw,noatime master:1 shared:2 - fuse.kldhost kldhost:1:2 rw,user_id=0";
        let mounted = Mounted {
            fstype: "fuse.kldhost".into(),
            source: "kldhost:1:2".into(),
        };
        assert_eq!(parse(line), Some((r"/mnt/a b\".into(), mounted)));
        let proc = Mounted {
            fstype: "proc".into(),
            source: "none".into(),
        };
        assert_eq!(
            parse(b"22 1 0:5 / /proc rw - proc none rw"),
            Some(("/proc".into(), proc))
        );
        assert_eq!(parse(b"22 1 0:5 / /proc rw"), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn proc_is_mounted() {
        assert_eq!(
            mounted_on(Path::new("/proc"))
                .unwrap()
                .map(|mounted| mounted.fstype)
                .as_deref(),
            Some("proc")
        );
        assert_eq!(mounted_on(Path::new("/proc/self")).unwrap(), None);
    }
}
