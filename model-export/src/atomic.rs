//! Files that are either the old ones or the whole new ones, also when the disk is full or the machine stops in between.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes beside `path`, flushes to the disk, renames over `path`, and flushes the folder's entry.
///
/// # Errors
/// What the file system said, with the path, or that `path` is a folder or a device; the scratch file is gone and `path` is as it was before.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_all_atomically(&[(path, bytes)])
}

/// As [`write_atomically`] for files that belong together: none is renamed before all are written and flushed, so that a full
/// disk leaves all of them as they were. They are renamed in this order; what names the others comes last.
///
/// # Errors
/// As [`write_atomically`], with the path of the file that could not be written.
pub fn write_all_atomically(files: &[(&Path, &[u8])]) -> io::Result<()> {
    let mut scratches = Vec::with_capacity(files.len());
    let written = stage(files, &mut scratches);
    if written.is_err() {
        for scratch in &scratches {
            // It may not exist, or have its name by now; the first error is the one to report.
            let _ = fs::remove_file(scratch);
        }
    }
    written
}

/// Writes, then renames; what it writes is pushed to `scratches` before.
fn stage(files: &[(&Path, &[u8])], scratches: &mut Vec<PathBuf>) -> io::Result<()> {
    for (path, bytes) in files {
        let scratch = scratch_path(path)?;
        if let Ok(there) = fs::metadata(path)
            && !there.is_file()
        {
            let message = format!("{} is there and is no ordinary file; it is left alone", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        scratches.push(scratch.clone());
        write(&scratch, bytes).map_err(|error| naming(path, &error))?;
    }
    for ((path, _), scratch) in files.iter().zip(&*scratches) {
        fs::rename(scratch, path)
            .and_then(|()| sync_folder(folder(path)))
            .map_err(|error| naming(path, &error))?;
    }
    Ok(())
}

fn write(scratch: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(scratch)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A name of this process and this call, so that two writers do not share a scratch.
fn scratch_path(path: &Path) -> io::Result<PathBuf> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        let message = format!("{} names no file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    };
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let name = format!(".{}.{}-{call}.scratch", name.to_string_lossy(), std::process::id());
    Ok(folder(path).join(name))
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened as a file; the rename alone has to do.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_no_scratch_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new, and longer").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new, and longer");
        assert_eq!(names(folder.path()), ["model.safetensors"]);
    }

    #[test]
    fn of_files_that_belong_together_none_is_replaced_when_one_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let [model, list] = ["model.safetensors", "manifest.json"].map(|name| folder.path().join(name));
        write_all_atomically(&[(&model, b"old model"), (&list, b"old list")]).unwrap();
        let nowhere = folder.path().join("no/folder");
        let error = write_all_atomically(&[(&model, b"new model"), (&nowhere, b""), (&list, b"new list")]);
        assert!(error.unwrap_err().to_string().contains("no/folder"));
        assert_eq!(names(folder.path()), ["manifest.json", "model.safetensors"]);
        assert_eq!(fs::read(&model).unwrap(), b"old model");
        assert_eq!(fs::read(&list).unwrap(), b"old list");
        write_all_atomically(&[(&model, b"new model"), (&list, b"new list")]).unwrap();
        assert_eq!(fs::read(&model).unwrap(), b"new model");
        assert_eq!(names(folder.path()), ["manifest.json", "model.safetensors"]);
    }

    #[test]
    fn what_is_no_ordinary_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"kept").unwrap();
        let error = write_atomically(&path, b"bytes").unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
        assert_eq!(names(folder.path()), ["taken"]);
        assert_eq!(fs::read(path.join("inside")).unwrap(), b"kept");
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let error = write_atomically(&folder.path().join("no/file"), b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("no/file"), "{error}");
    }
}
