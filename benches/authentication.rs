//! What it costs to say who a request is from: by an API key, by a token's digest, by a signature, and by what is
//! remembered of one. Each is a request over loopback, beside one for which nobody need be asked; what it is dearer than
//! that is the judging. The signature alone is beside it.
//!
//! `cargo bench --bench authentication`; the figures are of use as differences on one machine.

use std::fs;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use fanfare::{Config, Engine};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Value, json};

const SECRET: &[u8] = b"a secret of more than 32 bytes, known to benchmarks only";
const API_KEY: &str = "k_live_0123456789abcdef";

struct Pair {
    name: &'static str,
    algorithm: Algorithm,
    private: EncodingKey,
    public: DecodingKey,
    file: &'static str,
}

fn pairs() -> [Pair; 2] {
    let (es_private, es_public) = (
        include_bytes!("../tests/process/keys/ec.pem"),
        include_bytes!("../tests/process/keys/ec.public.pem"),
    );
    let (rs_private, rs_public) = (
        include_bytes!("../tests/process/keys/rsa.pem"),
        include_bytes!("../tests/process/keys/rsa.public.pem"),
    );
    [
        Pair {
            name: "ES256",
            algorithm: Algorithm::ES256,
            private: EncodingKey::from_ec_pem(es_private).expect("a key"),
            public: DecodingKey::from_ec_pem(es_public).expect("a key"),
            file: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process/keys/ec.public.pem"),
        },
        Pair {
            name: "RS256",
            algorithm: Algorithm::RS256,
            private: EncodingKey::from_rsa_pem(rs_private).expect("a key"),
            public: DecodingKey::from_rsa_pem(rs_public).expect("a key"),
            file: concat!(env!("CARGO_MANIFEST_DIR"), "/tests/process/keys/rsa.public.pem"),
        },
    ]
}

fn token(n: u64, algorithm: Algorithm, key: &EncodingKey) -> String {
    let claims = json!({
        "sub": "user-123", "sid": "s-1", "exp": 4_000_000_000_u64, "jti": n,
        "fanfare": {"subscribe": ["orders.*"], "admin": true, "meta": {"room": "1"}},
    });
    encode(&Header::new(algorithm), &claims, key).expect("a token")
}

struct Server {
    _engine: Engine,
    address: SocketAddr,
}

impl Server {
    fn new(configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.listen.push(([127, 0, 0, 1], 0).into());
        configure(&mut config);
        let engine = Engine::builder().config(config).start().expect("an engine");
        let address = engine.local_addrs()[0];
        Self { _engine: engine, address }
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("a connection");
        socket.set_nodelay(true).expect("no delay");
        socket
    }
}

fn request(credential: &str) -> Vec<u8> {
    let credential = match credential {
        "" => String::new(),
        credential => format!("Authorization: Bearer {credential}\r\n"),
    };
    let path = if credential.is_empty() { "/healthz" } else { "/api/sse/users/ada" };
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{credential}\r\n").into_bytes()
}

fn ask(mut socket: &TcpStream, request: &[u8]) {
    let mut answer = [0; 2048];
    socket.write_all(request).expect("a request");
    let count = socket.read(&mut answer).expect("an answer");
    assert!(answer[..count].starts_with(b"HTTP/1.1 200"), "{}", answer[..count].escape_ascii());
}

fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("authentication");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("secret"), SECRET).expect("a file");
    fs::write(folder.join("keys"), format!("{API_KEY} admin\n")).expect("a file");
    folder
}

fn requests(criterion: &mut Criterion) {
    let folder = folder();
    let api_keys = folder.join("keys");
    let server = Server::new(|config| {
        config.jwt_secret_file = Some(folder.join("secret"));
        config.api_key_file = Some(api_keys.clone());
    });
    let socket = server.connect();
    let mut group = criterion.benchmark_group("request");
    let secret = token(0, Algorithm::HS256, &EncodingKey::from_secret(SECRET));
    for (name, credential) in [("nobody is asked", ""), ("API key", API_KEY), ("HS256", &secret)] {
        let request = request(credential);
        group.bench_function(name, |bencher| bencher.iter(|| ask(&socket, &request)));
    }
    for pair in pairs() {
        let server = Server::new(|config| {
            config.jwt_public_key_file = Some(pair.file.into());
            config.api_key_file = Some(api_keys.clone());
        });
        let socket = server.connect();
        let known = request(&token(0, pair.algorithm, &pair.private));
        ask(&socket, &known);
        let remembered = format!("{}, remembered", pair.name);
        group.bench_function(remembered, |bencher| bencher.iter(|| ask(&socket, &known)));
        let mut n = 0;
        let mut next = || {
            n += 1;
            request(&token(n, pair.algorithm, &pair.private))
        };
        let first = format!("{}, for the first time", pair.name);
        group.bench_function(first, |bencher| {
            bencher.iter_batched(&mut next, |request| ask(&socket, &request), BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn signatures(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("signature alone");
    for pair in pairs() {
        let token = token(0, pair.algorithm, &pair.private);
        let validation = Validation::new(pair.algorithm);
        group.bench_function(pair.name, |bencher| {
            bencher.iter(|| {
                decode::<Value>(black_box(&token), &pair.public, &validation).expect("a good token")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, requests, signatures);
criterion_main!(benches);
