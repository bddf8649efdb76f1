//! Fetches MNIST or Fashion-MNIST from a public mirror, and goes on where a broken download stopped.
//!
//! A file arrives as `NAME.gz.part`, is unpacked and checked by SHA-256, and only then gets its name. A part that is
//! there already is continued by an HTTP range; a server that does not know ranges sends the file from its
//! beginning. A mirror is asked again as long as bytes arrive, then the next mirror goes on with the same part.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use model_export::manifest::sha256_hex;
use ureq::Agent;
use ureq::http::{Response, StatusCode, header};

use super::idx::read_unpacked;
use super::{DataSet, mnist};

/// Public mirrors of MNIST, in the order to try. Each has the four files with `.gz` after their names.
pub const MIRRORS: [&str; 2] =
    ["https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"];
/// The public home of Fashion-MNIST; Debian's package `dataset-fashion-mnist` has the same files.
pub const FASHION_MIRRORS: [&str; 1] = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"];

/// Largest file that is accepted from a server, in bytes; MNIST's largest has 9.9 MB.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Longest silence of a server.
const SILENCE: Duration = Duration::from_secs(30);
/// How often a mirror may bring nothing before the next is tried.
const MAX_IDLE_ATTEMPTS: usize = 2;

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The server answered with something else than the file.
    #[error("{url}: the server answered {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// No connection, no answer, or a connection that broke.
    #[error("{url}: {detail}")]
    Transport {
        /// What was asked for.
        url: String,
        /// What went wrong.
        detail: String,
    },
    /// The stream ended early; the part is kept, and a later call goes on from it.
    #[error("{url}: the connection ended after {got} of {expected} bytes")]
    CutShort {
        /// What was asked for.
        url: String,
        /// Bytes that are there, earlier ones included.
        got: u64,
        /// Bytes of the whole file.
        expected: u64,
    },
    /// More bytes than any of these files has.
    #[error("{url}: more than {MAX_FILE_BYTES} bytes; this is not the file")]
    TooLarge {
        /// What was asked for.
        url: String,
    },
    /// A whole download of other content.
    #[error("{url}: the content is not the data set's: {detail}")]
    Corrupt {
        /// What was asked for.
        url: String,
        /// The hashes, or the fault of the gzip stream.
        detail: String,
    },
    /// A file of that name is there already and is another; it is left alone.
    #[error("{} is there but is not the data set's: {detail}. Move it away, or choose another folder with --dir", path.display())]
    Occupied {
        /// The file.
        path: PathBuf,
        /// The hashes, or the fault of the gzip stream.
        detail: String,
    },
    /// The file system.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Every mirror failed.
    #[error("no mirror has {name}:\n  {}", causes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "))]
    AllMirrors {
        /// The file.
        name: String,
        /// What each mirror's last attempt said.
        causes: Vec<FetchError>,
    },
}

/// Fetches what is missing of a data set's four files into `dir`, with a progress bar on standard error. `mirror`
/// replaces the public ones: the address of a folder with the four `.gz` files. Nothing is done for a data set that
/// does not come as IDX files.
///
/// # Errors
/// When a file cannot be had from any mirror, or cannot be written.
pub fn fetch(set: DataSet, mirror: Option<&str>, dir: &Path) -> Result<(), FetchError> {
    let Some(files) = set.idx_files() else { return Ok(()) };
    let public = if set == DataSet::Mnist { &MIRRORS[..] } else { &FASHION_MIRRORS[..] };
    let mirrors = mirror.map_or_else(|| public.to_vec(), |mirror| vec![mirror]);
    let bar = ProgressBar::no_length();
    let style = "{msg:28} {wide_bar} {bytes:>10} of {total_bytes:10} {bytes_per_sec:>12} {eta:>4}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    let fetched = fetch_files(&mirrors, files, dir, &bar);
    bar.finish_and_clear();
    fetched
}

/// Fetches these files from the first mirror that has them.
fn fetch_files(
    mirrors: &[&str],
    files: &[mnist::File],
    dir: &Path,
    bar: &ProgressBar,
) -> Result<(), FetchError> {
    fs::create_dir_all(dir).map_err(|source| FetchError::Io { path: dir.to_owned(), source })?;
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        // The bytes as they lie on the server: a part counts those.
        .accept_encoding("identity")
        .build()
        .into();
    files.iter().try_for_each(|&file| fetch_file(&agent, mirrors, file, dir, bar))
}

fn fetch_file(
    agent: &Agent,
    mirrors: &[&str],
    file: mnist::File,
    dir: &Path,
    bar: &ProgressBar,
) -> Result<(), FetchError> {
    let gz = format!("{}.gz", file.name);
    for path in [dir.join(file.name), dir.join(&gz)] {
        if path.exists() {
            return check(&path, file.sha256).map_err(|detail| FetchError::Occupied { path, detail });
        }
    }
    bar.set_message(file.name);
    let download = Download { agent, part: dir.join(format!("{gz}.part")), target: dir.join(&gz), file, bar };
    let mut causes = Vec::new();
    for mirror in mirrors {
        match download.ask(&format!("{}/{gz}", mirror.trim_end_matches('/'))) {
            Ok(()) => return Ok(()),
            // The disk is the same whatever the mirror.
            Err(error @ FetchError::Io { .. }) => return Err(error),
            Err(error) => causes.push(error),
        }
    }
    Err(FetchError::AllMirrors { name: gz, causes })
}

struct Download<'a> {
    agent: &'a Agent,
    part: PathBuf,
    target: PathBuf,
    file: mnist::File,
    bar: &'a ProgressBar,
}

impl Download<'_> {
    /// Asks one mirror until the file is whole, or until it is clear that this mirror does not have it.
    fn ask(&self, url: &str) -> Result<(), FetchError> {
        let mut idle = 0;
        loop {
            let before = self.part_bytes();
            let error = match self.attempt(url, before) {
                Ok(()) => match check(&self.part, self.file.sha256) {
                    Ok(()) => return self.finish(),
                    Err(detail) => {
                        // Not a part worth going on from.
                        fs::remove_file(&self.part).map_err(|source| self.io(source))?;
                        let corrupt = FetchError::Corrupt { url: url.to_owned(), detail };
                        // An older part may have been of another file: once more from the beginning.
                        if before == 0 {
                            return Err(corrupt);
                        }
                        corrupt
                    }
                },
                Err(error @ (FetchError::Transport { .. } | FetchError::CutShort { .. })) => {
                    idle = if self.part_bytes() > before { 0 } else { idle + 1 };
                    error
                }
                Err(error) => return Err(error),
            };
            if idle == MAX_IDLE_ATTEMPTS {
                return Err(error);
            }
        }
    }

    /// One request, its body behind the part or instead of it. Ok: the server says that this is all.
    fn attempt(&self, url: &str, have: u64) -> Result<(), FetchError> {
        let transport = |error: &dyn std::error::Error| FetchError::Transport {
            url: url.to_owned(),
            detail: error.to_string(),
        };
        let mut request = self.agent.get(url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let mut response = request.call().map_err(|error| transport(&error))?;
        let start = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if range_start(&response) == Some(have) => have,
            // Nothing after the part: it is the whole file, or not of this file. The hash will tell.
            StatusCode::RANGE_NOT_SATISFIABLE if have > 0 => return Ok(()),
            status => return Err(FetchError::Status { url: url.to_owned(), status: status.as_u16() }),
        };
        let expected = content_length(&response).map(|length| start + length);
        self.bar.set_length(expected.unwrap_or(start));
        self.bar.set_position(start);

        let mut file = self.open_part(start > 0).map_err(|source| self.io(source))?;
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 64 << 10];
        let mut got = start;
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(transport(&error)),
            };
            file.write_all(&buffer[..read]).map_err(|source| self.io(source))?;
            got += read as u64;
            self.bar.set_position(got);
            if got > MAX_FILE_BYTES {
                // A later call shall not go on from this.
                fs::remove_file(&self.part).map_err(|source| self.io(source))?;
                return Err(FetchError::TooLarge { url: url.to_owned() });
            }
        }
        file.sync_all().map_err(|source| self.io(source))?;
        match expected {
            Some(expected) if got < expected => {
                Err(FetchError::CutShort { url: url.to_owned(), got, expected })
            }
            _ => Ok(()),
        }
    }

    fn open_part(&self, append: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        if append {
            options.append(true)
        } else {
            options.write(true).create(true).truncate(true)
        };
        options.open(&self.part)
    }

    fn part_bytes(&self) -> u64 {
        fs::metadata(&self.part).map_or(0, |metadata| metadata.len())
    }

    fn finish(&self) -> Result<(), FetchError> {
        fs::rename(&self.part, &self.target).map_err(|source| self.io(source))
    }

    fn io(&self, source: io::Error) -> FetchError {
        FetchError::Io { path: self.part.clone(), source }
    }
}

/// Whether a file's content, unpacked, has this hash; else what it is instead.
fn check(path: &Path, sha256: &str) -> Result<(), String> {
    let bytes = read_unpacked(path).map_err(|error| error.to_string())?;
    let got = sha256_hex(&bytes);
    if got == sha256 { Ok(()) } else { Err(format!("SHA-256 {got}, expected {sha256}")) }
}

fn range_start<B>(response: &Response<B>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

fn content_length<B>(response: &Response<B>) -> Option<u64> {
    response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
