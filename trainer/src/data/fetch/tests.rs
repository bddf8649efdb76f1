//! Fetching from a server on this machine that can also be a bad one.

use super::*;
use crate::data::idx::tests::gzip;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Bytes that gzip cannot shrink much: a linear congruential generator's (Knuth's MMIX).
fn content() -> Vec<u8> {
    let mut state = 1_u64;
    (0..50_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

fn file() -> mnist::File {
    // A leaked string of 64 bytes a test: the hash is a constant in the shipped table.
    mnist::File { name: "digits", sha256: Box::leak(sha256_hex(&content()).into_boxed_str()) }
}

/// How a server answers.
#[derive(Clone, Copy, Default)]
struct Manners {
    /// Ignores `Range`.
    no_ranges: bool,
    /// Closes the connection after so many bytes of a body.
    cut_after: Option<usize>,
    /// Answers 404.
    absent: bool,
    /// Sends no `Content-Length`.
    no_length: bool,
}

/// A server of one file, and the `Range` of every request it got.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    fn start(body: Vec<u8>, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mnist/", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = answer(stream.unwrap(), &body, manners, &log);
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<Option<String>> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(
    mut stream: TcpStream,
    body: &[u8],
    manners: Manners,
    log: &Mutex<Vec<Option<String>>>,
) -> io::Result<()> {
    let mut range = None;
    let mut path = String::new();
    for (index, line) in BufReader::new(stream.try_clone()?).lines().enumerate() {
        let line = line?;
        if index == 0 {
            path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range:") {
            range = Some(value.trim().to_owned());
        }
        if line.is_empty() {
            break;
        }
    }
    log.lock().unwrap().push(range.clone());
    let start = range
        .filter(|_| !manners.no_ranges)
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let (status, extra, rest) = match start {
        _ if manners.absent || path != "/mnist/digits.gz" => ("404 Not Found", String::new(), &b"none"[..]),
        Some(start) if start >= body.len() => ("416 Range Not Satisfiable", String::new(), &b""[..]),
        Some(start) => {
            let range = format!("Content-Range: bytes {start}-{}/{}\r\n", body.len() - 1, body.len());
            ("206 Partial Content", range, &body[start..])
        }
        None => ("200 OK", String::new(), body),
    };
    let length =
        if manners.no_length { String::new() } else { format!("Content-Length: {}\r\n", rest.len()) };
    write!(stream, "HTTP/1.1 {status}\r\n{extra}{length}Connection: close\r\n\r\n")?;
    stream.write_all(&rest[..manners.cut_after.unwrap_or(rest.len()).min(rest.len())])
}

fn fetch_from(servers: &[&Server], dir: &Path) -> Result<(), FetchError> {
    let mirrors: Vec<&str> = servers.iter().map(|server| server.url.as_str()).collect();
    fetch_files(&mirrors, &[file()], dir, &ProgressBar::hidden())
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn is_whole(dir: &Path) {
    assert_eq!(names(dir), ["digits.gz"]);
    assert_eq!(read_unpacked(&dir.join("digits.gz")).unwrap(), content());
}

fn causes(error: FetchError) -> Vec<FetchError> {
    match error {
        FetchError::AllMirrors { name, causes } => {
            assert_eq!(name, "digits.gz");
            causes
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_whole_file_arrives_in_one_request_and_is_not_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let nested = dir.path().join("a/b");
    let server = Server::start(gzip(&content()), Manners::default());
    fetch_from(&[&server], &nested).unwrap();
    is_whole(&nested);
    fetch_from(&[&server], &nested).unwrap();
    assert_eq!(server.requests(), [None]);
}

#[test]
fn a_file_that_is_there_unpacked_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("digits"), content()).unwrap();
    fetch_from(&[], dir.path()).unwrap();
    assert_eq!(names(dir.path()), ["digits"]);
}

#[test]
fn a_cut_part_is_continued_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let packed = gzip(&content());
    fs::write(dir.path().join("digits.gz.part"), &packed[..12_345]).unwrap();
    let server = Server::start(packed, Manners::default());
    fetch_from(&[&server], dir.path()).unwrap();
    is_whole(dir.path());
    assert_eq!(server.requests(), [Some("bytes=12345-".to_owned())]);
}

#[test]
fn a_part_that_is_already_whole_only_needs_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let packed = gzip(&content());
    fs::write(dir.path().join("digits.gz.part"), &packed).unwrap();
    fetch_from(&[&Server::start(packed, Manners::default())], dir.path()).unwrap();
    is_whole(dir.path());
}

#[test]
fn a_server_without_ranges_sends_all_and_the_part_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let packed = gzip(&content());
    fs::write(dir.path().join("digits.gz.part"), &packed[..12_345]).unwrap();
    let server = Server::start(packed, Manners { no_ranges: true, ..Manners::default() });
    fetch_from(&[&server], dir.path()).unwrap();
    is_whole(dir.path());
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_server_that_cuts_every_stream_is_asked_on_until_the_file_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let packed = gzip(&content());
    let cut_after = Some(packed.len() / 3 + 1);
    let server = Server::start(packed, Manners { cut_after, ..Manners::default() });
    fetch_from(&[&server], dir.path()).unwrap();
    is_whole(dir.path());
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_stream_without_a_length_that_is_cut_is_noticed_and_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let packed = gzip(&content());
    let cut = Manners { no_length: true, cut_after: Some(1_000), ..Manners::default() };
    let bad = Server::start(packed.clone(), cut);
    let good = Server::start(packed, Manners { no_length: true, ..Manners::default() });
    let causes = causes(fetch_from(&[&bad], dir.path()).unwrap_err());
    assert!(matches!(&causes[..], [FetchError::Corrupt { .. }]), "{causes:?}");
    fetch_from(&[&bad, &good], dir.path()).unwrap();
    is_whole(dir.path());
}

#[test]
fn a_broken_download_keeps_its_part_and_another_call_goes_on_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let packed = gzip(&content());
    let broken = Server::start(packed.clone(), Manners { cut_after: Some(0), ..Manners::default() });
    fs::write(dir.path().join("digits.gz.part"), &packed[..100]).unwrap();
    let causes = causes(fetch_from(&[&broken], dir.path()).unwrap_err());
    let expected = packed.len() as u64;
    assert!(
        matches!(&causes[..], [FetchError::CutShort { got: 100, expected: named, .. }] if *named == expected),
        "{causes:?}"
    );
    assert_eq!(names(dir.path()), ["digits.gz.part"]);
    let server = Server::start(packed, Manners::default());
    fetch_from(&[&server], dir.path()).unwrap();
    is_whole(dir.path());
    assert_eq!(server.requests(), [Some("bytes=100-".to_owned())]);
}

#[test]
fn corrupt_bytes_are_refused_and_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut other = content();
    other[40_000] ^= 1;
    let server = Server::start(gzip(&other), Manners::default());
    let causes = causes(fetch_from(&[&server], dir.path()).unwrap_err());
    assert!(
        matches!(&causes[..], [FetchError::Corrupt { detail, .. }] if detail.contains(&sha256_hex(&other)))
    );
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_part_of_another_file_costs_one_more_download() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("digits.gz.part"), [0; 777]).unwrap();
    let server = Server::start(gzip(&content()), Manners::default());
    fetch_from(&[&server], dir.path()).unwrap();
    is_whole(dir.path());
    assert_eq!(server.requests(), [Some("bytes=777-".to_owned()), None]);
}

#[test]
fn a_missing_file_names_the_address_and_the_next_mirror_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let absent = Server::start(vec![], Manners { absent: true, ..Manners::default() });
    let error = fetch_from(&[&absent], dir.path()).unwrap_err();
    let url = format!("{}digits.gz", absent.url);
    assert!(error.to_string().contains(&format!("{url}: the server answered 404")), "{error}");
    assert!(matches!(&causes(error)[..], [FetchError::Status { status: 404, .. }]));
    let server = Server::start(gzip(&content()), Manners::default());
    fetch_from(&[&absent, &server], dir.path()).unwrap();
    is_whole(dir.path());
}

#[test]
fn no_server_at_all_is_an_error_that_names_the_address() {
    let dir = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mirror = format!("http://127.0.0.1:{port}");
    let error = fetch_files(&[&mirror], &[file()], dir.path(), &ProgressBar::hidden()).unwrap_err();
    assert!(error.to_string().contains(&format!("{mirror}/digits.gz")), "{error}");
    assert!(matches!(&causes(error)[..], [FetchError::Transport { .. }]));
}

#[test]
fn a_file_of_that_name_that_is_not_mnists_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("digits.gz"), b"mine").unwrap();
    let error = fetch_from(&[], dir.path()).unwrap_err();
    assert!(matches!(error, FetchError::Occupied { .. }), "{error:?}");
    assert_eq!(fs::read(dir.path().join("digits.gz")).unwrap(), b"mine");
}

#[test]
fn endless_streams_are_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(vec![0; MAX_FILE_BYTES as usize + 1], Manners::default());
    let causes = causes(fetch_from(&[&server], dir.path()).unwrap_err());
    assert!(matches!(&causes[..], [FetchError::TooLarge { .. }]), "{causes:?}");
    assert_eq!(names(dir.path()), [""; 0]);
}
