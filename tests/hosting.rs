//! The configuration of nginx in the documents, served by a real nginx: types, compressed files, what may be kept.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cross_tests::{root, skip};

/// How long nginx may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a site consists of, and how each part is to be served: type, and whether its address names its content.
const PARTS: [(&str, &str, bool); 14] = [
    ("", "text/html; charset=utf-8", false),
    ("?seed=4&v=heun", "text/html; charset=utf-8", false),
    ("start.js", "text/javascript; charset=utf-8", false),
    ("worker.js", "text/javascript; charset=utf-8", false),
    ("sw.js", "text/javascript; charset=utf-8", false),
    ("site.json", "application/json", false),
    ("models/manifest.json", "application/json", false),
    ("app.webmanifest", "application/manifest+json", false),
    ("favicon.svg", "image/svg+xml", false),
    ("icons/192.png", "image/png", false),
    ("style-0123456789abcdef.css", "text/css; charset=utf-8", true),
    ("page-0123456789abcdef_bg.wasm", "application/wasm", true),
    ("workers/cpu-0123456789abcdef.wasm", "application/wasm", true),
    ("models/a.safetensors?v=0123abcd", "application/octet-stream", true),
];

/// A running nginx, ended with the test.
struct Nginx {
    child: Child,
    port: u16,
    has_brotli: bool,
    folder: tempfile::TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Nginx {
    /// Serves a small site with the documents' configuration; `None`, and said so, where there is no nginx.
    fn start(test: &str) -> Option<Self> {
        let Some(program) = nginx() else {
            skip(
                test,
                "no nginx: install it (Debian: apt-get install nginx libnginx-mod-http-brotli-static)",
            );
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        for (name, _, _) in PARTS {
            let name = name.split('?').next().unwrap();
            let file = site.join(if name.is_empty() { "index.html" } else { name });
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, format!("{name} ").repeat(100)).unwrap();
        }
        xtask::precompress::precompress(&site).unwrap();

        let modules = Path::new("/usr/lib/nginx/modules/ngx_http_brotli_static_module.so");
        let has_brotli = modules.is_file() && site.join("start.js.br").is_file();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let conf = std::fs::read_to_string(root().join("docs/hosting/nginx.conf")).unwrap();
        let mut served = conf
            .replace("/srv/flow-digits/", &format!("{}/", site.display()))
            .replace("listen 80;", &format!("listen 127.0.0.1:{port};"));
        assert_ne!(served, conf);
        if !has_brotli {
            served = served.replace("brotli_static on;", "");
        }
        let load = if has_brotli { format!("load_module {};\n", modules.display()) } else { String::new() };
        let scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let scratch: String = scratch.iter().map(|kind| format!("{kind}_temp_path {kind};\n")).collect();
        let whole = format!(
            "{load}daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log error.log;\nevents {{}}\n\
             http {{\naccess_log off;\n{scratch}{served}}}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, whole).unwrap();
        let mut command = Command::new(program);
        command.arg("-p").arg(folder.path()).arg("-c").arg(file).stdin(Stdio::null());
        let child = command.spawn().unwrap();
        let mut started = Self { child, port, has_brotli, folder };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(matches!(started.child.try_wait(), Ok(None)), "nginx refuses the configuration");
            assert!(Instant::now() < deadline, "nginx does not listen after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        let said = std::fs::read_to_string(started.folder.path().join("error.log")).unwrap_or_default();
        assert!(!said.contains("[warn]"), "{said}");
        Some(started)
    }

    /// The answer's head, and the length of its body.
    fn ask(&self, path: &str, fields: &str) -> (String, usize) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..end].to_vec()).unwrap(), answer.len() - end - 4)
    }
}

fn nginx() -> Option<PathBuf> {
    let beside = ["/usr/sbin/nginx", "/usr/local/sbin/nginx"].map(PathBuf::from);
    xtask::run::which("nginx").into_iter().chain(beside).find(|program| program.is_file())
}

fn field<'a>(head: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.split_once(": ").filter(|(field, _)| field.eq_ignore_ascii_case(name));
    head.lines().find_map(value).map_or("", |(_, value)| value)
}

#[test]
fn every_part_has_its_type_and_only_what_names_its_content_is_kept() {
    let Some(nginx) = Nginx::start("every_part_has_its_type") else { return };
    for (path, kind, is_kept) in PARTS {
        let (head, _) = nginx.ask(&format!("/blog/flow/{path}"), "");
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        assert_eq!(field(&head, "Content-Type"), kind, "{path}");
        let keep = field(&head, "Cache-Control");
        let wanted = if is_kept { "public, max-age=31536000, immutable" } else { "no-cache" };
        assert_eq!(keep, wanted, "{path}");
        assert_eq!(field(&head, "X-Content-Type-Options"), "nosniff", "{path}");
        // A document's own policy holds; a second one as a header would hold too, and documents differ.
        let is_script = kind.starts_with("text/javascript");
        assert_eq!(!field(&head, "Content-Security-Policy").is_empty(), is_script, "{path}");
        let tag = field(&head, "ETag").to_owned();
        let (again, length) = nginx.ask(&format!("/blog/flow/{path}"), &format!("If-None-Match: {tag}\r\n"));
        assert!(again.starts_with("HTTP/1.1 304") && length == 0, "{path}: {again}");
    }
    // A missing file of a hashed name may be there a moment later.
    let (missing, _) = nginx.ask("/blog/flow/page-ffffffffffffffff.js", "");
    assert!(missing.starts_with("HTTP/1.1 404") && field(&missing, "Cache-Control").is_empty(), "{missing}");
    let (bare, _) = nginx.ask("/blog/flow", "");
    assert_eq!(field(&bare, "Location"), "/blog/flow/", "{bare}");
}

#[test]
fn what_was_compressed_ahead_is_served_to_those_who_can_read_it() {
    let Some(nginx) = Nginx::start("what_was_compressed_ahead") else { return };
    if !nginx.has_brotli {
        skip(
            "what_was_compressed_ahead, in Brotli",
            "this nginx has no module for it, or no brotli wrote files",
        );
    }
    for path in ["", "start.js", "page-0123456789abcdef_bg.wasm", "models/a.safetensors?v=0123abcd"] {
        let address = format!("/blog/flow/{path}");
        let (plain, raw) = nginx.ask(&address, "");
        assert_eq!(field(&plain, "Content-Encoding"), "", "{path}");
        let best = if nginx.has_brotli { "br" } else { "gzip" };
        for (accepted, encoding) in [("gzip", "gzip"), ("gzip, deflate, br, zstd", best)] {
            let (head, length) = nginx.ask(&address, &format!("Accept-Encoding: {accepted}\r\n"));
            assert_eq!(field(&head, "Content-Encoding"), encoding, "{path}: {head}");
            assert_eq!(field(&head, "Vary"), "Accept-Encoding", "{path}: {head}");
            assert_eq!(field(&head, "Content-Type"), field(&plain, "Content-Type"), "{path}");
            assert_eq!(field(&head, "Content-Length"), length.to_string(), "{path}");
            assert!(length < raw, "{path}: {length} of {raw} bytes");
        }
    }
}
