//! Files of keys that will not do: status 2, and one line that says which file and why, and not what is in it.

use serde_json::json;

use super::jwks::set_of;
use super::key::{EC_PUBLIC, JWKS, RSA_PUBLIC, SECRET};
use super::keyed::Folder;
use crate::server::{command, run};
use crate::support::clock::eventually;

/// What a key in a file is recognised by.
const MARK: &str = "k_live_mark";

/// Ends with status 2 and one line that names the option or the file.
fn refused(args: &[&str], named: &str) -> String {
    let output = run(command(&[&["--listen", "127.0.0.1:0"], args].concat()));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert_eq!(error.lines().count(), 1, "{args:?}: {error}");
    assert!(error.starts_with("fanfare: ") && error.contains(named), "{args:?}: {error}");
    assert!(!error.contains(MARK) && !error.contains('\u{1b}'), "{args:?}: {error}");
    error
}

/// A file of this option with each of these contents.
fn check(option: &str, contents: &[&[u8]]) {
    let folder = Folder::new();
    for content in contents {
        let path = folder.write("file", content);
        refused(&[&format!("--{option}"), &path], option);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = Folder::new();
    for option in ["api-key-file", "jwt-secret-file", "jwt-public-key-file", "jwks-file"] {
        for path in [&format!("{}/missing", folder.path()), folder.path(), "/dev/null/x"] {
            let error = refused(&[&format!("--{option}"), path], option);
            assert!(error.contains(path), "{error}");
        }
        refused(&[&format!("--{option}=")], option);
    }
}

#[test]
fn bad_api_key_files() {
    check(
        "api-key-file",
        &[
            b"k_live_mark0123456789\n",
            b"k_live_mark0123456789 \n",
            b"k_live_mark0123456789 everything\n",
            b"k_live_mark0123456789 publish,admin\n",
            b"k_live_mark0123456789 Publish\n",
            b"k_live_mark0123456789 publish k_live_mark2\n",
            b"k_live_mark0123456789 publish\nk_live_mark0123456789 admin\n",
            b"k_live_mark0123456789 publish\n\xff\xfe admin\n",
            b"k_live_mark\x000123456789 publish\n",
            b"k_live_mark\x1b[31m0123456789 publish\n",
        ],
    );
}

/// No keys at all: nobody could publish. That can only be a mistake.
#[test]
fn api_key_files_without_a_key() {
    check("api-key-file", &[b"", b"\n", b" \n\t\n\r\n"]);
}

#[test]
fn bad_secret_files() {
    check("jwt-secret-file", &[b"", b"\n", b"\r\n"]);
}

/// Somebody has named the wrong file, and it is not read for ever.
#[test]
fn files_that_are_too_long() {
    for option in ["api-key-file", "jwt-secret-file", "jwt-public-key-file", "jwks-file"] {
        refused(&[&format!("--{option}"), "/dev/zero"], option);
    }
}

#[test]
fn bad_public_key_files() {
    let cut = &RSA_PUBLIC[..RSA_PUBLIC.len() / 2];
    let damaged = String::from_utf8_lossy(RSA_PUBLIC).replace("MIIB", "AAAA");
    check(
        "jwt-public-key-file",
        &[
            b"",
            b"\n",
            b"not a key",
            SECRET,
            JWKS,
            cut,
            damaged.as_bytes(),
            b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
            b"-----BEGIN PUBLIC KEY-----\n****\n-----END PUBLIC KEY-----\n",
            b"\xff\xfe\xfd",
        ],
    );
}

/// Keys that verify nothing here, and private ones, which somebody put in the wrong place.
#[test]
fn keys_of_other_kinds() {
    check(
        "jwt-public-key-file",
        &[
            include_bytes!("../keys/rsa.pem"),
            include_bytes!("../keys/ec.pem"),
            include_bytes!("../keys/ed.pem"),
            include_bytes!("../keys/rsa-1024.public.pem"),
            include_bytes!("../keys/rsa-pss.public.pem"),
            include_bytes!("../keys/ec-p384.public.pem"),
            include_bytes!("../keys/ec-k256.public.pem"),
            include_bytes!("../keys/ed448.public.pem"),
            include_bytes!("../keys/x25519.public.pem"),
        ],
    );
}

#[test]
fn bad_jwks_files() {
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut set = set_of(&["rsa-1", "ec-1"]);
        change(&mut set);
        set.to_string().into_bytes()
    };
    let sets = [
        b"".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        b"{\"keys\":{}}".to_vec(),
        b"{\"keys\":[]}".to_vec(),
        b"{\"keys\":[1]}".to_vec(),
        b"{\"keys\":[{}]}".to_vec(),
        JWKS[..JWKS.len() / 2].to_vec(),
        RSA_PUBLIC.to_vec(),
        b"\xff{}".to_vec(),
        // No key that any token could be checked with.
        json!({"keys": [{"kty": "AKP", "kid": "new", "alg": "ML-DSA-65", "pub": "AAAA"}]}).to_string().into(),
        // Nothing but keys that cannot be used.
        with(&|set| {
            set["keys"][0]["n"] = json!("***");
            set["keys"][1]["x"] = json!("AAAA");
        }),
        json!({"keys": [{"kty": "RSA", "kid": "old", "e": "AQAB", "n": "5".repeat(171)}]}).to_string().into(),
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]}).to_string().into(),
    ];
    check("jwks-file", &sets.each_ref().map(Vec::as_slice));
}

#[test]
fn one_source_of_token_keys_is_enough() {
    let folder = Folder::new();
    let files = [
        ("--jwt-secret-file", folder.write("secret", SECRET)),
        ("--jwt-public-key-file", folder.write("public", EC_PUBLIC)),
        ("--jwks-file", folder.write("jwks", JWKS)),
    ];
    for (one, path) in &files {
        for (other, other_path) in files.iter().filter(|(other, _)| other != one) {
            // Whichever of the two it names.
            let error = refused(&[one, path, other, other_path], "--j");
            assert!(error.contains(one) || error.contains(other), "{error}");
        }
    }
}

/// What would be checked of tokens means nothing where no token is taken.
#[test]
fn options_of_tokens_want_a_key_for_them() {
    for args in [&["--jwt-audience", "a"][..], &["--jwt-issuer", "i"], &["--jwt-cookie", "c"]] {
        refused(args, args[0]);
    }
}

#[test]
fn bad_names_of_cookies() {
    let folder = Folder::new();
    let secret = folder.write("secret", SECRET);
    for name in ["", "a b", "a=b", "a;b", "a,b", "a\"b", "é", "a\tb"] {
        refused(&["--jwt-secret-file", &secret, &format!("--jwt-cookie={name}")], "jwt-cookie");
    }
}

/// What can be used, and is hardly meant so.
#[test]
fn doubtful_files_are_told_in_the_log() {
    let long = "a secret of more than 32 bytes, known to tests only";
    for (option, content, said) in [
        ("jwt-secret-file", format!("{long}\nand another line\n"), "more than one line"),
        ("jwt-secret-file", format!("\u{feff}{long}\n"), "byte order mark"),
        ("jwt-secret-file", format!("{long}\n\n"), "more than one line"),
        ("jwt-secret-file", "short\n".to_owned(), "shorter than"),
        ("api-key-file", "k_live_mark0123456789: publish\n".to_owned(), "line 1: the key ends with a colon"),
        ("api-key-file", "# ours\nabc publish\n".to_owned(), "line 2: the key is short"),
    ] {
        let server = super::keyed::Keyed::start(&[(option, content.as_bytes())], &[]);
        eventually(&format!("it warns of {content:?}"), || server.log().contains(said));
        let log = server.log();
        assert!(log.lines().any(|line| line.contains("WARN") && line.contains(said)), "{log}");
        assert!(!log.contains(MARK) && !log.contains("another line"), "{log}");
    }
    for (option, content) in [
        ("jwt-secret-file", long.as_bytes()),
        ("jwt-secret-file", b"a secret of more than 32 bytes, with the newline of an editor\n"),
        ("api-key-file", b"k_live_mark0123456789 publish\n"),
    ] {
        let mut server = super::keyed::Keyed::start(&[(option, content)], &[]);
        assert_eq!(server.connect().get("/healthz").status(), 200);
        assert!(!server.whole_log().contains("WARN"), "{}", server.log());
    }
}
