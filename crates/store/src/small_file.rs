//! Small texts of others that belong to a data directory and are never changed, such as a private key.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Readable by us alone.
const PRIVATE: u32 = 0o600;

/// The text in `dir/name`; made and kept there if it is missing. Whoever asks holds the directory's log open, so nobody else
/// makes it at the same time.
pub fn keep_text(dir: &Path, name: &str, make: impl FnOnce() -> io::Result<String>) -> io::Result<String> {
    let path = dir.join(name);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    let text = make()?;
    let half = dir.join(format!("{name}.tmp"));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(PRIVATE).open(&half)?;
    file.write_all(text.as_bytes())?;
    // Before the name: a crash between the two must not leave half a text under it.
    file.sync_data()?;
    fs::rename(&half, &path)?;
    fs::File::open(dir)?.sync_all()?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_text_is_made_once_and_private() {
        let dir = tempfile::tempdir().expect("a directory");
        let keep = |text: &str| keep_text(dir.path(), "key", || Ok(text.to_owned())).expect("kept");
        assert_eq!(keep("first"), "first");
        assert_eq!(keep("second"), "first");
        let mode = fs::metadata(dir.path().join("key")).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE);
    }

    #[test]
    fn what_cannot_be_made_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        keep_text(dir.path(), "key", || Err(io::Error::other("no"))).expect_err("not made");
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 0);
    }
}
