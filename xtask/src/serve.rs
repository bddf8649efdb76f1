//! A static file server for this machine only: `127.0.0.1`, GET and HEAD, one folder.
//!
//! It names the types that browsers insist on, tells them what may be kept (files with a hash in their name or address)
//! and what must be asked for again (the rest), and always sends a length, so that a progress bar can be honest.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

/// A connection that says nothing for so long is closed.
const SILENCE: Duration = Duration::from_secs(60);

/// The most bytes that the head of a request may have.
const HEAD_BYTES: u64 = 32 * 1024;

/// How many ports above a taken one are tried.
const PORTS_TRIED: u16 = 32;

/// Content types by file ending.
const TYPES: [(&str, &str); 13] = [
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("css", "text/css; charset=utf-8"),
    ("json", "application/json"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("ico", "image/x-icon"),
    ("txt", "text/plain; charset=utf-8"),
    ("webmanifest", "application/manifest+json"),
    ("safetensors", "application/octet-stream"),
    ("bin", "application/octet-stream"),
];

/// A running server. Dropping it stops it, for connections that are open too.
pub struct Serving {
    stop: Arc<AtomicBool>,
    /// Where it listens.
    pub port: u16,
}

impl Serving {
    /// Serves `folder` on the first free port from `port` on; 0 lets the system choose.
    pub fn start(folder: &Path, port: u16) -> Result<Self> {
        let listener = listen(port)?;
        let port = listener.local_addr()?.port();
        let folder =
            folder.canonicalize().with_context(|| format!("{} cannot be served", folder.display()))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        // A thread for each connection. A pool could let one wait behind those that a browser merely keeps open.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (folder, stopped) = (folder.clone(), Arc::clone(&stopped));
                std::thread::spawn(move || {
                    // A browser that went away is no fault of ours.
                    let _gone = converse(&stream, &folder, &stopped);
                });
            }
        });
        Ok(Self { stop, port })
    }

    /// Answers nothing from now on, as a server that has gone away.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for a connection.
        let _woken = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }

    /// The address to open.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen(port: u16) -> Result<TcpListener> {
    let last = if port == 0 { 0 } else { port.saturating_add(PORTS_TRIED) };
    for candidate in port..=last {
        match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, candidate))) {
            Ok(listener) => {
                if candidate != port {
                    eprintln!("    port {port} is taken; using {candidate}");
                }
                return Ok(listener);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error).with_context(|| format!("port {candidate} cannot be opened")),
        }
    }
    bail!("ports {port} to {last} are all taken: choose another with --port")
}

/// Answers one request after the other, until either side has had enough.
fn converse(mut stream: &TcpStream, folder: &Path, stopped: &AtomicBool) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = Request::read(&mut reader)? {
        if stopped.load(Ordering::Relaxed) {
            break;
        }
        let reply = answer(&request, folder);
        let last = request.is_last || reply.status == 405;
        let mut head = format!("HTTP/1.1 {} {}\r\n", reply.status, reason(reply.status));
        for (field, value) in &reply.headers {
            head.push_str(&format!("{field}: {value}\r\n"));
        }
        head.push_str(if last { "Connection: close\r\n\r\n" } else { "Connection: keep-alive\r\n\r\n" });
        stream.write_all(head.as_bytes())?;
        if request.method != "HEAD" {
            stream.write_all(&reply.body)?;
        }
        stream.flush()?;
        if last {
            break;
        }
    }
    Ok(())
}

/// What we read of a request.
struct Request {
    method: String,
    url: String,
    known_tag: Option<String>,
    is_last: bool,
}

impl Request {
    /// The next request's head; `None` when the other side is done, or does not speak HTTP.
    fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Self>> {
        let mut head = reader.take(HEAD_BYTES);
        let mut line = String::new();
        head.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let (Some(method), Some(url), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Ok(None);
        };
        let (method, url) = (method.to_owned(), url.to_owned());
        let mut request = Self { method, url, known_tag: None, is_last: version == "HTTP/1.0" };
        loop {
            let mut line = String::new();
            if head.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let line = line.trim_end();
            if line.is_empty() {
                return Ok(Some(request));
            }
            let Some((field, value)) = line.split_once(':') else { continue };
            if field.eq_ignore_ascii_case("if-none-match") {
                request.known_tag = Some(value.trim().to_owned());
            } else if field.eq_ignore_ascii_case("connection") {
                request.is_last |= value.trim().eq_ignore_ascii_case("close");
            }
        }
    }
}

/// What is sent back.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        304 => "Not Modified",
        404 => "Not Found",
        _ => "Method Not Allowed",
    }
}

fn refused(status: u16, text: &str) -> Reply {
    let headers = vec![
        ("Content-Type", "text/plain; charset=utf-8".into()),
        ("Content-Length", text.len().to_string()),
    ];
    Reply { status, headers, body: text.as_bytes().to_vec() }
}

fn answer(request: &Request, folder: &Path) -> Reply {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return refused(405, "only GET and HEAD\n");
    }
    let missing = || refused(404, "no such file\n");
    let Some(file) = resolve(&request.url, folder) else { return missing() };
    let (Ok(body), Ok(facts)) = (std::fs::read(&file), std::fs::metadata(&file)) else { return missing() };
    let changed =
        facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let tag = format!("\"{:x}-{:x}\"", body.len(), changed.as_nanos());
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let keep = if is_hashed(&name) || has_version(&request.url) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut headers = vec![
        ("Content-Type", content_type(&name).to_owned()),
        ("Cache-Control", keep.to_owned()),
        ("ETag", tag.clone()),
        ("X-Content-Type-Options", "nosniff".to_owned()),
        // A sandboxed frame has no origin of its own, and an element may stand on another one.
        ("Access-Control-Allow-Origin", "*".to_owned()),
    ];
    if request.known_tag == Some(tag) {
        return Reply { status: 304, headers, body: Vec::new() };
    }
    headers.push(("Content-Length", body.len().to_string()));
    Reply { status: 200, headers, body }
}

fn content_type(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    TYPES.iter().find(|(known, _)| *known == ending).map_or("application/octet-stream", |(_, kind)| kind)
}

/// Whether a name holds a content hash: a part after `-` or `.` of at least 12 hexadecimal digits.
fn is_hashed(name: &str) -> bool {
    name.split(['-', '.', '_'])
        .skip(1)
        .any(|part| part.len() >= 12 && part.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether an address says which content is wanted: a field `v` of at least 8 hexadecimal digits.
fn has_version(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query
        .split('&')
        .filter_map(|field| field.strip_prefix("v="))
        .any(|hash| hash.len() >= 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The file that a request names, if it lies in the folder.
fn resolve(url: &str, folder: &Path) -> Option<PathBuf> {
    let path = url.split(['?', '#']).next()?;
    let decoded = percent_decoded(path)?;
    let mut file = folder.to_path_buf();
    for part in decoded.split('/').filter(|part| !part.is_empty()) {
        let escapes = part == "." || part == ".." || part.contains(['\\', '\0', ':']);
        if escapes {
            return None;
        }
        file.push(part);
    }
    if file.is_dir() {
        file.push("index.html");
    }
    // A link inside the folder must not lead out of it either.
    file.canonicalize().ok().filter(|real| real.is_file() && real.starts_with(folder))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("site")).unwrap();
        std::fs::write(folder.path().join("secret.txt"), "outside").unwrap();
        let site = folder.path().join("site");
        std::fs::write(site.join("index.html"), "<!doctype html>").unwrap();
        std::fs::write(site.join("page-0123456789abcdef_bg.wasm"), vec![7; 100_000]).unwrap();
        std::fs::write(site.join("a b.json"), "{}").unwrap();
        folder
    }

    fn ask(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream
            .write_all(format!("{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[test]
    fn wasm_has_its_type_its_length_and_may_be_kept() {
        let folder = folder();
        let serving = Serving::start(&folder.path().join("site"), 0).unwrap();
        let answer = ask(serving.port, "HEAD /page-0123456789abcdef_bg.wasm HTTP/1.1");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("Content-Type: application/wasm"), "{answer}");
        assert!(answer.contains("Content-Length: 100000"), "{answer}");
        assert!(answer.contains("immutable"), "{answer}");
    }

    #[test]
    fn an_address_with_a_hash_names_the_same_file_and_may_be_kept() {
        let folder = folder();
        let serving = Serving::start(&folder.path().join("site"), 0).unwrap();
        for (query, kept) in [("?v=0123abcd", true), ("?v=soon", false), ("?again=1", false), ("", false)] {
            let answer = ask(serving.port, &format!("GET /a%20b.json{query} HTTP/1.1"));
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("{}"), "{query}: {answer}");
            assert_eq!(answer.contains("immutable"), kept, "{query}: {answer}");
        }
    }

    #[test]
    fn html_is_asked_for_again_and_a_known_one_is_not_sent_twice() {
        let folder = folder();
        let serving = Serving::start(&folder.path().join("site"), 0).unwrap();
        let answer = ask(serving.port, "GET /?seed=4 HTTP/1.1");
        assert!(answer.contains("<!doctype html>") && answer.contains("Cache-Control: no-cache"), "{answer}");
        let tag = answer.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap().to_owned();
        let again = ask(serving.port, &format!("GET / HTTP/1.1\r\nIf-None-Match: {tag}"));
        assert!(again.starts_with("HTTP/1.1 304"), "{again}");
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        let folder = folder();
        let serving = Serving::start(&folder.path().join("site"), 0).unwrap();
        for path in [
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/%2e%2e%5csecret.txt",
            "/%zz",
            "/%ff",
        ] {
            let answer = ask(serving.port, &format!("GET {path} HTTP/1.1"));
            assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
        }
        assert!(ask(serving.port, "GET /a%20b.json HTTP/1.1").contains("application/json"));
        assert!(ask(serving.port, "POST / HTTP/1.1").starts_with("HTTP/1.1 405"));
    }

    #[test]
    fn a_connection_is_kept_for_the_next_request_and_idle_ones_hold_nobody_up() {
        let folder = folder();
        let serving = Serving::start(&folder.path().join("site"), 0).unwrap();
        let _idle: Vec<TcpStream> =
            (0..20).map(|_| TcpStream::connect(("127.0.0.1", serving.port)).unwrap()).collect();
        let mut stream = TcpStream::connect(("127.0.0.1", serving.port)).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for _ in 0..3 {
            stream.write_all(b"HEAD /index.html HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            assert_eq!(line, "HTTP/1.1 200 OK\r\n");
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).unwrap();
            }
        }
    }

    #[test]
    fn a_stopped_server_answers_nobody_not_even_on_an_open_connection() {
        let folder = folder();
        let serving = Serving::start(&folder.path().join("site"), 0).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", serving.port)).unwrap();
        let mut answer = [0; 12];
        stream.write_all(b"HEAD / HTTP/1.1\r\n\r\n").unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        serving.stop();
        let mut rest = String::new();
        let _closed = stream
            .write_all(b"HEAD / HTTP/1.1\r\n\r\n")
            .and_then(|()| stream.read_to_string(&mut rest).map(|_| ()));
        assert!(!rest.contains("HTTP/1.1"), "{rest}");
    }

    #[test]
    fn a_taken_port_moves_on_to_the_next() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let folder = folder();
        let serving = Serving::start(&folder.path().join("site"), port).unwrap();
        assert!(serving.port > port && serving.port <= port.saturating_add(PORTS_TRIED));
    }
}
