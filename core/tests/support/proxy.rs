//! A node that lies: it passes questions on to a real one, and changes what it answers.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

/// What is done instead of the true answer.
pub enum Reply {
    /// This answer.
    Json(Value),
    /// These bytes, as the body.
    Bytes(Vec<u8>),
    /// A body without an end.
    Endless,
    /// Nothing, for so long.
    Silence(Duration),
    /// The question is not passed on, and the connection is closed.
    Close,
}

/// Sees the method and the parameters, and calls the last argument to get the true answer.
type Liar = dyn FnMut(&str, &Value, &mut dyn FnMut() -> Value) -> Reply + Send;

pub struct Proxy {
    pub url: String,
    liar: Arc<Mutex<Box<Liar>>>,
}

impl Proxy {
    /// One that tells the truth.
    pub fn of(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let honest: Box<Liar> = Box::new(|_, _, truth| Reply::Json(truth()));
        let liar = Arc::new(Mutex::new(honest));
        let (shared, upstream) = (Arc::clone(&liar), upstream.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (liar, upstream) = (Arc::clone(&shared), upstream.clone());
                std::thread::spawn(move || serve(stream, &upstream, &liar));
            }
        });
        Self { url, liar }
    }

    pub fn lie(&self, liar: impl FnMut(&str, &Value, &mut dyn FnMut() -> Value) -> Reply + Send + 'static) {
        *self.liar.lock().unwrap() = Box::new(liar);
    }

    /// Changes the results of one method.
    pub fn change(&self, method: &'static str, mut change: impl FnMut(&mut Value) + Send + 'static) {
        self.lie(move |asked, _, truth| {
            let mut answer = truth();
            if asked == method {
                change(&mut answer["result"]);
            }
            Reply::Json(answer)
        });
    }

    pub fn tell_the_truth(&self) {
        self.lie(|_, _, truth| Reply::Json(truth()));
    }
}

fn serve(stream: TcpStream, upstream: &str, liar: &Mutex<Box<Liar>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim().to_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let asked: Value = serde_json::from_slice(&body).ok()?;
        let ask = |question: &Value| {
            let mut truth = || {
                let sent = ureq::post(upstream).header("Content-Type", "application/json").send(question.to_string());
                let bytes = sent.unwrap().body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
                serde_json::from_slice::<Value>(&bytes).unwrap()
            };
            let method = question["method"].as_str().unwrap();
            (liar.lock().unwrap())(method, &question["params"], &mut truth)
        };
        // Of several questions at once, each is answered as it would be alone, unless one is not answered at all.
        let reply = match asked.as_array() {
            None => ask(&asked),
            Some(questions) => {
                let mut answers = Vec::new();
                let mut other = None;
                for question in questions {
                    match ask(question) {
                        Reply::Json(answer) => answers.push(answer),
                        reply => other = Some(reply),
                    }
                }
                other.unwrap_or(Reply::Json(Value::Array(answers)))
            }
        };
        let bytes = match reply {
            Reply::Json(answer) => answer.to_string().into_bytes(),
            Reply::Bytes(bytes) => bytes,
            Reply::Silence(time) => {
                std::thread::sleep(time);
                return None;
            }
            Reply::Close => return None,
            Reply::Endless => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").ok()?;
                let chunk = [b"100000\r\n".as_slice(), &[b' '; 1 << 20], b"\r\n"].concat();
                loop {
                    stream.write_all(&chunk).ok()?;
                }
            }
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(&bytes).ok()?;
    }
}
