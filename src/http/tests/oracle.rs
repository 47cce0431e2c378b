//! A second reading of the rules for heads, written for whole texts and without a thought for speed.

use std::net::Ipv6Addr;

/// What a head says, if it is sound.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) method: String,
    pub(super) path_and_query: String,
    /// None for chunks. No body has the length 0.
    pub(super) length: Option<u128>,
    pub(super) keep_alive: bool,
}

/// Judges the first head of `bytes`, however large. None if it is not sound, or not whole.
pub(super) fn judge(bytes: &[u8]) -> Option<Verdict> {
    // Each octet becomes the character of its number, so that all of a text's methods apply.
    let text: String = bytes.iter().copied().map(char::from).collect();
    let text = text.strip_prefix("\r\n").unwrap_or(&text);
    let (head, _) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut parts = lines.next()?.split(' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    let ["HTTP/", major, ".", minor] = split_version(version)? else { return None };
    let is_digit = |text: &str| text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || !is_token(method) || major != "1" || !is_digit(minor) {
        return None;
    }
    let old = minor == "0";
    let fields = lines.map(field).collect::<Option<Vec<_>>>()?;
    let values = |name: &str| -> Vec<&str> {
        fields.iter().filter(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1).collect()
    };
    let host = match values("host")[..] {
        [] if old => None,
        [host] => Some(authority(host)?),
        _ => return None,
    };
    let path_and_query = self::target(method, target, host.as_ref())?;
    let length = match (&values("content-length")[..], &values("transfer-encoding")[..]) {
        ([], []) => Some(0),
        ([length], []) if is_number(length) => Some(length.parse().unwrap_or(u128::MAX)),
        ([], [coding]) if !old && coding.eq_ignore_ascii_case("chunked") => None,
        _ => return None,
    };
    let options = values("connection").join(",").to_ascii_lowercase();
    let has = |name| options.split(',').any(|option| option.trim_matches([' ', '\t']) == name);
    let keep_alive = !has("close") && (!old || has("keep-alive"));
    Some(Verdict { method: method.into(), path_and_query, length, keep_alive })
}

fn split_version(version: &str) -> Option<[&str; 4]> {
    version.is_ascii().then_some(())?;
    Some([version.get(..5)?, version.get(5..6)?, version.get(6..7)?, version.get(7..)?])
}

fn is_token(text: &str) -> bool {
    let is_tchar = |char: char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char);
    !text.is_empty() && text.chars().all(is_tchar)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_ascii_digit())
}

fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_control = |char: char| (char < ' ' && char != '\t') || char == '\x7f';
    (is_token(name) && !value.contains(is_control)).then_some((name, value.trim_matches([' ', '\t'])))
}

/// The host in small letters, and the port.
fn authority(text: &str) -> Option<(String, Option<u16>)> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, port) = text.split_at(end);
    let sound = match host.strip_prefix('[') {
        Some(literal) => literal.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
        None => is_reg_name(host),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => None,
        Some("") => None,
        Some(digits) if is_number(digits) && digits.len() <= 5 => Some(digits.parse().ok()?),
        _ => return None,
    };
    (sound && !host.is_empty()).then(|| (host.to_ascii_lowercase(), port))
}

fn is_reg_name(host: &str) -> bool {
    let mut escapes = host.split('%');
    let is_plain =
        |text: &str| text.chars().all(|char| char.is_ascii_alphanumeric() || "-._~!$&'()*+;=".contains(char));
    let is_hex =
        |text: Option<&str>| text.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    escapes.next().is_some_and(is_plain)
        && escapes.all(|escape| escape.is_ascii() && is_hex(escape.get(..2)) && is_plain(escape))
}

fn target(method: &str, target: &str, host: Option<&(String, Option<u16>)>) -> Option<String> {
    if target.is_empty() || !target.chars().all(|char| char.is_ascii_graphic() && char != '#') {
        return None;
    }
    if method == "CONNECT" {
        return authority(target)?.1.map(|_| String::new());
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Some(target.into());
    }
    let (scheme, rest) = target.split_once("://")?;
    let default = match &scheme.to_ascii_lowercase()[..] {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let named = authority(&rest[..end])?;
    let same = |host: &(String, Option<u16>)| {
        host.0 == named.0 && host.1.unwrap_or(default) == named.1.unwrap_or(default)
    };
    match &rest[end..] {
        _ if !host.is_none_or(same) => None,
        "" if method == "OPTIONS" => Some("*".into()),
        path if path.starts_with('/') => Some(path.into()),
        query => Some(format!("/{query}")),
    }
}
