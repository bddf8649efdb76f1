//! A static file server for this machine only: `127.0.0.1`, GET and HEAD, one folder.
//!
//! It names the types that browsers insist on, tells them what may be kept (files with a hash in their name) and
//! what must be asked for again (the rest), and always sends a length, so that a progress bar can be honest.

use std::io::Cursor;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use tiny_http::{Header, Method, Request, Response, Server};

/// Requests answered at the same time; a browser opens about six connections.
const THREADS: usize = 8;

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

/// A running server. Dropping it stops it.
pub struct Serving {
    server: Arc<Server>,
    /// Where it listens.
    pub port: u16,
}

impl Serving {
    /// Serves `folder` on the first free port from `port` on; 0 lets the system choose.
    pub fn start(folder: &Path, port: u16) -> Result<Self> {
        let listener = listen(port)?;
        let port = listener.local_addr()?.port();
        let server = Server::from_listener(listener, None).map_err(|error| anyhow::anyhow!("{error}"))?;
        let server = Arc::new(server);
        let folder =
            folder.canonicalize().with_context(|| format!("{} cannot be served", folder.display()))?;
        for _ in 0..THREADS {
            let (server, folder) = (Arc::clone(&server), folder.clone());
            std::thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    // A browser that went away is no fault of ours.
                    let _gone = answer(request, &folder);
                }
            });
        }
        Ok(Self { server, port })
    }

    /// The address to open.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        for _ in 0..THREADS {
            self.server.unblock();
        }
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

fn answer(request: Request, folder: &Path) -> std::io::Result<()> {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return request.respond(plain(405, "only GET and HEAD\n"));
    }
    let Some(file) = resolve(request.url(), folder) else {
        return request.respond(plain(404, "no such file\n"));
    };
    let (Ok(bytes), Ok(facts)) = (std::fs::read(&file), std::fs::metadata(&file)) else {
        return request.respond(plain(404, "no such file\n"));
    };
    let changed =
        facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let tag = format!("\"{:x}-{:x}\"", bytes.len(), changed.as_nanos());
    let known =
        request.headers().iter().any(|h| h.field.equiv("If-None-Match") && h.value.as_str() == tag.as_str());
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut response = if known { plain(304, "") } else { data(bytes) };
    let keep = if is_hashed(&name) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        ("Content-Type", content_type(&name)),
        ("Cache-Control", keep),
        ("ETag", tag.as_str()),
        ("X-Content-Type-Options", "nosniff"),
    ];
    for (field, value) in headers {
        if let Ok(header) = Header::from_bytes(field, value) {
            response = response.with_header(header);
        }
    }
    request.respond(response)
}

fn plain(status: u16, text: &str) -> Response<Cursor<Vec<u8>>> {
    Response::from_data(text.as_bytes().to_vec()).with_status_code(status)
}

fn data(bytes: Vec<u8>) -> Response<Cursor<Vec<u8>>> {
    // Above its threshold tiny_http would send chunks without a length.
    Response::from_data(bytes).with_chunked_threshold(usize::MAX)
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
    use std::io::{Read, Write};
    use std::net::TcpStream;

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
    fn a_taken_port_moves_on_to_the_next() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let folder = folder();
        let serving = Serving::start(&folder.path().join("site"), port).unwrap();
        assert!(serving.port > port && serving.port <= port.saturating_add(PORTS_TRIED));
    }
}
