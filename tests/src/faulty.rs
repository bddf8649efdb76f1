//! A server that serves a site and fails as real ones do: files that are missing, a web page in place of a file, connections
//! that break off, bytes that were changed on the way.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is answered with this status.
    Status(u16),
    /// A web page comes in its place, as hosts of single pages do for what they don't have.
    WebPage,
    /// The connection ends after so many bytes of it.
    CutAt(usize),
    /// One byte is another one, the length is the same.
    Altered,
}

/// The types by the ends of names; all else is bytes.
const TYPES: [(&str, &str); 7] = [
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("json", "application/json"),
    ("svg", "image/svg+xml"),
    ("webmanifest", "application/manifest+json"),
];

type Wrongs = Arc<Mutex<Known>>;

/// What is wrong with which file, and how often each was sent.
#[derive(Default)]
struct Known {
    wrongs: BTreeMap<String, Wrong>,
    sent: BTreeMap<String, usize>,
}

/// The server; it ends with the process.
pub struct Faulty {
    port: u16,
    wrongs: Wrongs,
}

impl Faulty {
    /// Serves a folder, without a fault for now.
    ///
    /// # Errors
    /// When no port can be opened.
    pub fn start(site: &Path) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let wrongs = Wrongs::default();
        let (site, known) = (site.to_path_buf(), Arc::clone(&wrongs));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (site, known) = (site.clone(), Arc::clone(&known));
                // A browser that went away is no fault of ours.
                std::thread::spawn(move || drop(answer(&stream, &site, &known)));
            }
        });
        Ok(Self { port, wrongs })
    }

    /// The address to open.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// From now on this is wrong with a file, named by its place in the folder.
    pub fn fail(&self, file: &str, wrong: Wrong) {
        lock(&self.wrongs).wrongs.insert(file.to_owned(), wrong);
    }

    /// From now on all is well.
    pub fn mend(&self) {
        lock(&self.wrongs).wrongs.clear();
    }

    /// How often a file was sent, or what was to be sent of it.
    pub fn sent(&self, file: &str) -> usize {
        lock(&self.wrongs).sent.get(file).copied().unwrap_or(0)
    }
}

fn lock(wrongs: &Wrongs) -> MutexGuard<'_, Known> {
    wrongs.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one request, and closes the connection.
fn answer(mut stream: &TcpStream, site: &Path, wrongs: &Wrongs) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    while line.trim_end() != "" {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            break;
        }
    }
    let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let wrong = lock(wrongs).wrongs.get(path).copied();
    let inside = !path.split('/').any(|part| part == "..");
    let file: PathBuf = site.join(path);
    let (mut status, mut kind, mut body) = match std::fs::read(&file).ok().filter(|_| inside) {
        Some(bytes) => (200, kind(path), bytes),
        None => (404, "text/plain", b"no such file\n".to_vec()),
    };
    match wrong {
        Some(Wrong::Status(wanted)) => (status, kind, body) = (wanted, "text/plain", b"no\n".to_vec()),
        Some(Wrong::WebPage) => {
            (kind, body) = ("text/html; charset=utf-8", b"<!doctype html><title>Home</title>".to_vec());
        }
        Some(Wrong::Altered) => {
            let middle = body.len() / 2;
            if let Some(byte) = body.get_mut(middle) {
                *byte ^= 1;
            }
        }
        Some(Wrong::CutAt(_)) | None => {}
    }
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-cache\r\n\
         X-Content-Type-Options: nosniff\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    if let Some(Wrong::CutAt(bytes)) = wrong {
        body.truncate(bytes);
    }
    stream.write_all(&body)?;
    stream.flush()?;
    *lock(wrongs).sent.entry(path.to_owned()).or_default() += 1;
    stream.shutdown(std::net::Shutdown::Write)
}

fn kind(path: &str) -> &'static str {
    let ending = path.rsplit('.').next().unwrap_or_default();
    TYPES.iter().find(|(known, _)| *known == ending).map_or("application/octet-stream", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_file_comes_whole_or_as_wrong_as_was_asked() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.json"), "0123456789").unwrap();
        let server = Faulty::start(folder.path()).unwrap();
        let ask = |path: &str| {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).unwrap();
            stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        assert!(ask("/a.json?v=1").ends_with("\r\n\r\n0123456789"));
        assert!(ask("/../a.json").starts_with("HTTP/1.1 404"));
        for (wrong, end) in [
            (Wrong::Altered, "0123446789"),
            (Wrong::CutAt(4), "\r\n\r\n0123"),
            (Wrong::WebPage, "</title>"),
            (Wrong::Status(503), "no\n"),
        ] {
            server.fail("a.json", wrong);
            assert!(ask("/a.json").ends_with(end), "{wrong:?}: {}", ask("/a.json"));
        }
        server.mend();
        assert!(ask("/a.json").contains("Content-Length: 10\r\n"));
    }
}
