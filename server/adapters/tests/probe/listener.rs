//! A listener of a test's own: writes what it is told and remembers what it was sent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

/// What is written, part after part, with a pause before each.
pub(crate) type Parts = Vec<(Duration, Vec<u8>)>;

pub(crate) fn at_once(answer: &str) -> Parts {
    vec![(Duration::ZERO, answer.as_bytes().to_vec())]
}

pub(crate) fn ok(body: &str) -> Parts {
    at_once(&format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    ))
}

pub(crate) fn redirect(status: u16, to: &str) -> Parts {
    at_once(&format!(
        "HTTP/1.1 {status} Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    ))
}

impl Listener {
    /// Each connection is answered by what `answer` makes of its request.
    pub(crate) async fn start(answer: impl Fn(&str) -> Parts + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let answer = Arc::new(answer);
        let kept = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answer, kept) = (answer.clone(), kept.clone());
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    let mut part = [0; 4096];
                    while !is_whole(&request) {
                        match stream.read(&mut part).await {
                            Ok(0) | Err(_) => break,
                            Ok(length) => request.extend_from_slice(&part[..length]),
                        }
                    }
                    let request = String::from_utf8_lossy(&request).into_owned();
                    kept.lock().unwrap().push(request.clone());
                    for (pause, bytes) in answer(&request) {
                        tokio::time::sleep(pause).await;
                        if stream.write_all(&bytes).await.is_err() {
                            return;
                        }
                    }
                    // Nobody may be there any more.
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.parse::<usize>().ok());
    body.len() >= length.unwrap_or_default()
}
