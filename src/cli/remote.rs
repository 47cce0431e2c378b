//! The server that `publish` and `tail` connect to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use ureq::config::ConfigBuilder;
use ureq::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use ureq::http::{HeaderName, HeaderValue, Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::typestate::AgentScope;
use ureq::{Agent, Body, BodyReader};

use super::failure::Failure;
use super::proxy::proxy_to;
use super::value::some_time;

/// The variable with a key or token, if it is not in a file.
const TOKEN_VARIABLE: &str = "FANFARE_TOKEN";
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Maximum size of a page of history; one event may be much of it.
const MAX_PAGE: u64 = 2 << 30;

/// Where the server is, and as whom to speak to it.
#[derive(Debug, Args)]
pub(super) struct RemoteOptions {
    /// Where the stream is. Certificates count that the system trusts, or those in the file SSL_CERT_FILE; proxies that
    /// the environment names (http_proxy or https_proxy, all_proxy, NO_PROXY), but for servers on this machine
    #[arg(long, value_name = "URL", env = "FANFARE_URL", value_parser = base_url,
          default_value = "http://localhost:3000/api/sse")]
    url: String,
    /// File with the API key or token [default: what FANFARE_TOKEN in the environment holds]
    #[arg(long, value_name = "FILE", env = "FANFARE_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// How long the server may take to answer
    #[arg(long, value_name = "TIME", value_parser = some_time, default_value = "30s")]
    timeout: Duration,
}

/// The result of asking for a stream.
pub(super) enum Opened {
    Stream(BodyReader<'static>),
    /// There is nothing more to come, now or later (204; WHATWG HTML, 9.2.3).
    Over,
}

/// A connection to a server.
pub(super) struct Remote {
    agent: Agent,
    url: String,
    /// The name of the server in errors: its address and the proxy for it, if there is one.
    name: String,
    token_file: Option<PathBuf>,
}

impl Remote {
    /// For requests that are answered at once.
    pub(super) fn for_requests(options: RemoteOptions) -> Self {
        let timeout = options.timeout;
        Self::new(options, |config| config.timeout_per_call(Some(timeout)))
    }

    /// For streams, which count as lost when nothing comes for this long. They have no end, so there is no timeout for
    /// the whole.
    pub(super) fn for_streams(options: RemoteOptions, silence: Option<Duration>) -> Self {
        let timeout = options.timeout;
        Self::new(options, |config| {
            config
                .timeout_connect(Some(timeout))
                .timeout_recv_response(Some(timeout))
                .timeout_per_read(silence)
                // Connections of lost streams are not reused.
                .max_idle_connections(0)
        })
    }

    fn new(
        options: RemoteOptions,
        timeouts: impl FnOnce(ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope>,
    ) -> Self {
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .user_agent(concat!("fanfare/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            // Do not send a token to another server.
            .max_redirects(0);
        let proxy = proxy_to(&options.url);
        let name = match &proxy {
            // Without its user and password.
            Some(proxy) => format!("{} by the proxy {}:{}", options.url, proxy.host(), proxy.port()),
            None => options.url.clone(),
        };
        let agent = timeouts(config).proxy(proxy).build().new_agent();
        Self { agent, url: options.url, name, token_file: options.token_file }
    }

    /// Publishes, and returns the response body. Posting the same with the same key publishes nothing more.
    pub(super) fn publish(
        &self,
        content_type: &'static str,
        body: &str,
        key: &str,
    ) -> Result<String, Failure> {
        let mut request = self.agent.post(format!("{}/events", self.url)).header(CONTENT_TYPE, content_type);
        request = request.header(IDEMPOTENCY_KEY, quoted(key));
        if let Some(credential) = self.credential()? {
            request = request.header(AUTHORIZATION, credential);
        }
        let response = request.send(body).map_err(|error| Failure::lost(&self.name, error))?;
        let mut response = accepted(response)?;
        response.body_mut().read_to_string().map_err(|error| Failure::lost(&self.name, error))
    }

    /// Reads a page of history, and returns the response body.
    pub(super) fn history(&self, query: &[(&str, String)]) -> Result<String, Failure> {
        let mut request = self.agent.get(format!("{}/events", self.url));
        request = request.query_pairs(query.iter().map(|(name, value)| (*name, value)));
        if let Some(credential) = self.credential()? {
            request = request.header(AUTHORIZATION, credential);
        }
        let response = request.call().map_err(|error| Failure::lost(&self.name, error))?;
        let mut response = accepted(response)?;
        let body = response.body_mut().with_config().limit(MAX_PAGE);
        body.read_to_string().map_err(|error| Failure::lost(&self.name, error))
    }

    /// Opens a stream, after this event if one is given.
    pub(super) fn open(
        &self,
        query: &[(String, String)],
        last_event_id: Option<&str>,
    ) -> Result<Opened, Failure> {
        let mut request = self.agent.get(&self.url).header(ACCEPT, "text/event-stream");
        request = request.header(CACHE_CONTROL, "no-cache");
        request = request.query_pairs(query.iter().map(|(name, value)| (name, value)));
        // Nothing that cannot be sent in a field is an id of ours; an empty one is none.
        let last_event_id = last_event_id.filter(|id| !id.is_empty());
        if let Some(id) = last_event_id.and_then(|id| HeaderValue::from_bytes(id.as_bytes()).ok()) {
            request = request.header(LAST_EVENT_ID, id);
        }
        if let Some(credential) = self.credential()? {
            request = request.header(AUTHORIZATION, credential);
        }
        let response = request.call().map_err(|error| Failure::lost(&self.name, error))?;
        let response = accepted(response)?;
        if response.status() == 204 {
            return Ok(Opened::Over);
        }
        let types: Vec<_> =
            response.headers().get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes).collect();
        if response.status() != 200 || essence(&types.join(&b',')).as_deref() != Some("text/event-stream") {
            return Err(Failure::Unusable(format!("{} is not an event stream", self.name)));
        }
        Ok(Opened::Stream(response.into_body().into_reader()))
    }

    /// The value of `Authorization`. A file is read each time, so that the token in it may be replaced.
    fn credential(&self) -> Result<Option<HeaderValue>, Failure> {
        let (token, source) = match &self.token_file {
            Some(path) => {
                let source = path.display().to_string();
                let token = std::fs::read_to_string(path);
                (token.map_err(|error| Failure::Unusable(format!("{source}: {error}")))?, source)
            }
            None => match std::env::var_os(TOKEN_VARIABLE).filter(|token| !token.is_empty()) {
                Some(token) => (token.to_string_lossy().into_owned(), TOKEN_VARIABLE.to_owned()),
                None => return Ok(None),
            },
        };
        bearer(&token).map(Some).ok_or_else(|| Failure::Unusable(format!("{source} does not hold one token")))
    }
}

/// A key as a string of structured fields (RFC 9651, 4.1.6).
fn quoted(key: &str) -> String {
    format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The last valid media type of the `Content-Type` fields, without parameters, as browsers read it (WHATWG Fetch, 2.2.2;
/// WHATWG MIME Sniffing, 4.4).
fn essence(fields: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(fields);
    let (mut quoted, mut escaped) = (false, false);
    let unquoted: String = text
        .chars()
        .filter(|character| {
            let was_quoted = quoted;
            quoted ^= *character == '"' && !escaped;
            escaped = quoted && !escaped && *character == '\\';
            !(was_quoted && quoted)
        })
        .collect();
    let end = |character: char| character.is_ascii_whitespace() || matches!(character, ';' | '(');
    let mut types = unquoted.split(',').map(|value| value.trim().split(end).next().unwrap_or_default());
    types.rfind(|name| name.contains('/') && *name != "*/*").map(str::to_ascii_lowercase)
}

/// The value of `Authorization` for a token (RFC 6750, 2.1).
fn bearer(token: &str) -> Option<HeaderValue> {
    let token = token.trim();
    let is_one = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| is_one)?;
    value.set_sensitive(true);
    Some(value)
}

/// The response, if it is not an error.
fn accepted(mut response: Response<Body>) -> Result<Response<Body>, Failure> {
    match response.status().is_success() {
        true => Ok(response),
        false => Err(Failure::refused(&mut response)),
    }
}

/// A URL to which paths and a query can be appended.
fn base_url(text: &str) -> Result<String, String> {
    let wrong = || "a URL is written as http://localhost:3000/api/sse".to_owned();
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    // A password would be visible wherever the command line is.
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if !is_http || has_user || uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
        return Err(wrong());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_where_something_can_be_added() {
        for (text, url) in [
            ("http://localhost:3000/api/sse", "http://localhost:3000/api/sse"),
            ("https://events.example/sse/", "https://events.example/sse"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(base_url(text).as_deref(), Ok(url));
        }
        let bad = [
            "",
            "localhost:3000",
            "/api/sse",
            "ftp://a/b",
            "http://",
            "http://a:b@c/",
            "http://a/?b",
            "http://a b/",
        ];
        for text in bad {
            assert!(base_url(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_media_type_is_read_as_browsers_read_it() {
        let stream = Some("text/event-stream");
        for (fields, expected) in [
            ("text/event-stream", stream),
            ("text/event-stream;charset=utf-8", stream),
            ("Text/Event-Stream ; charset=\"utf-8\"", stream),
            ("text/event-stream,", stream),
            ("text/event-stream, ", stream),
            (",text/event-stream", stream),
            ("text/event-stream,*/*", stream),
            ("text/event-stream,nonsense", stream),
            ("text/html, text/event-stream", stream),
            ("text/event-stream foo", stream),
            ("text/event-stream(comment)", stream),
            ("text/event-stream;a=\"b,text/html\"", stream),
            ("text/event-stream;a=\"\\\",text/html\"", stream),
            ("text/event-stream;a=\"b,text/html", stream),
            ("text/event-stream, text/html", Some("text/html")),
            ("text/html;a=\"b,text/event-stream\"", Some("text/html")),
            ("text/event-streams", Some("text/event-streams")),
            ("\"x\"text/event-stream", Some("\"\"text/event-stream")),
            ("event-stream", None),
            ("*/*", None),
            ("", None),
        ] {
            assert_eq!(essence(fields.as_bytes()).as_deref(), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_token_is_one_word() {
        assert_eq!(bearer(" k_live_abc\n").unwrap(), "Bearer k_live_abc");
        assert!(bearer("k").unwrap().is_sensitive());
        for text in ["", " \n", "k_live publish", "a\nb", "k\u{e9}", "a\0b"] {
            assert_eq!(bearer(text), None, "{text:?}");
        }
    }
}
