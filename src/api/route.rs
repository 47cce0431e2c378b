//! Maps requests to resources.

use std::borrow::Cow;

use super::panel::PanelFile;
use super::problem::Problem;
use crate::http::{Method, percent_decode};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// GET `{base}`: open a stream.
    Stream,
    /// HEAD `{base}`: the head of a stream.
    StreamHead,
    /// OPTIONS of a known path: answers which methods it has.
    Options(&'static str),
    /// POST `{base}/events`.
    Publish,
    /// GET `{base}/events`: read what history holds.
    History,
    /// GET `{base}/stats`, and GET `{base}/test` in development.
    Statistics,
    /// GET `{base}/users`.
    Users,
    /// GET `{base}/users/{userId}`.
    User(String),
    /// DELETE `{base}/users/{userId}`.
    DisconnectUser(String),
    /// DELETE `{base}/clients/{clientId}`.
    DisconnectClient(String),
    /// POST `{base}/test`, in development.
    Test,
    /// GET `/sse-test`, and the files of that page, in development.
    Panel(&'static PanelFile),
    /// GET `{base}/openapi.json`.
    OpenApi,
    /// GET `{base}/client.js`.
    BrowserClient,
    /// GET `/metrics`.
    Metrics,
    /// GET `/healthz`.
    Liveness,
    /// GET `/readyz`.
    Readiness,
}

/// The permission that a route needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Nothing.
    None,
    /// Opening a stream.
    Subscribe,
    /// Publishing events.
    Publish,
    /// Reading statistics and presence, and ending streams.
    Admin,
}

impl Scope {
    /// The name in key files and tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::Admin => "admin",
        }
    }
}

impl Route {
    /// The permission that the route needs.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Stream | Self::StreamHead => Scope::Subscribe,
            Self::Publish | Self::Test => Scope::Publish,
            Self::Statistics | Self::Metrics | Self::Users | Self::User(_) | Self::History => Scope::Admin,
            Self::DisconnectUser(_) | Self::DisconnectClient(_) => Scope::Admin,
            // The page of the panel contains no data, and a browser that opens it cannot send a token. Its requests use
            // a token that is typed into it.
            Self::Options(_) | Self::OpenApi | Self::BrowserClient | Self::Panel(_) => Scope::None,
            Self::Liveness | Self::Readiness => Scope::None,
        }
    }
}

impl Route {
    /// The name in statistics: it describes the path without its parameters.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Stream | Self::StreamHead => "stream",
            Self::Options(_) => "options",
            Self::Publish => "publish",
            Self::History => "history",
            Self::Statistics => "stats",
            Self::Users => "users",
            Self::User(_) | Self::DisconnectUser(_) => "user",
            Self::DisconnectClient(_) => "client",
            Self::Test => "test",
            Self::Panel(_) => "panel",
            Self::OpenApi => "openapi",
            Self::BrowserClient => "client_js",
            Self::Metrics => "metrics",
            Self::Liveness => "healthz",
            Self::Readiness => "readyz",
        }
    }
}

/// The resources of a server.
#[derive(Clone, Debug)]
pub struct Routes {
    base: Box<str>,
    development: bool,
    split: bool,
}

/// The listener through which a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// One for streams.
    Public,
    /// One for publishers and operators.
    Control,
}

/// A known path, before the method is considered.
enum Resource {
    Stream,
    Events,
    Statistics,
    Users,
    User(String),
    Client(String),
    Test,
    Panel(&'static PanelFile),
    OpenApi,
    BrowserClient,
    Metrics,
    Liveness,
    Readiness,
}

impl Routes {
    /// The resources below `base`, which begins with `/` and does not end with one. With `split`, those for publishers
    /// and operators are only on the control listener; otherwise both listeners have all of them.
    pub fn new(base: &str, development: bool, split: bool) -> Self {
        Self { base: base.into(), development, split }
    }

    /// The path of the stream.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Whether this is the path of the stream.
    pub fn is_stream(&self, path: &str) -> bool {
        path == &*self.base
    }

    /// Finds the route of a method and path: 404 for an unknown path, 501 for an unknown method, 405 (with `Allow`) for
    /// a method that the path does not have.
    pub fn find(
        &self,
        method: Method<'_>,
        path: &str,
        listener_kind: ListenerKind,
    ) -> Result<Route, Problem> {
        let is_here = |resource: &Resource| {
            !self.split || listener_kind == ListenerKind::Control || resource.is_public()
        };
        let resource = self
            .resource(path)
            .filter(is_here)
            .ok_or_else(|| Problem::new(404, "nothing is at this path"))?;
        let allow = resource.allow();
        if method == Method::Options {
            return Ok(Route::Options(allow));
        }
        resource.route(method).ok_or_else(|| match method {
            Method::Other(name) if !is_registered(name) => {
                Problem::new(501, "this method is not implemented")
            }
            _ => Problem::new(405, format!("this resource allows {allow}")).with_field("Allow", allow),
        })
    }

    fn resource(&self, path: &str) -> Option<Resource> {
        match path {
            "/metrics" => return Some(Resource::Metrics),
            "/healthz" => return Some(Resource::Liveness),
            "/readyz" => return Some(Resource::Readiness),
            _ => {}
        }
        if let Some(file) = PanelFile::find(path).filter(|_| self.development) {
            return Some(Resource::Panel(file));
        }
        let below = path.strip_prefix(&*self.base)?;
        match below {
            "" => return Some(Resource::Stream),
            "/events" => return Some(Resource::Events),
            "/stats" => return Some(Resource::Statistics),
            "/users" => return Some(Resource::Users),
            "/openapi.json" => return Some(Resource::OpenApi),
            "/client.js" => return Some(Resource::BrowserClient),
            "/test" if self.development => return Some(Resource::Test),
            _ => {}
        }
        let name = |prefix| {
            let name = below.strip_prefix(prefix).filter(|name| !name.is_empty() && !name.contains('/'))?;
            percent_decode(name).ok().map(Cow::into_owned)
        };
        name("/users/").map(Resource::User).or_else(|| name("/clients/").map(Resource::Client))
    }
}

impl Resource {
    /// Whether it is for subscribers or health checks.
    fn is_public(&self) -> bool {
        matches!(self, Self::Stream | Self::OpenApi | Self::BrowserClient | Self::Liveness | Self::Readiness)
    }

    fn allow(&self) -> &'static str {
        match self {
            Self::Events => "GET, HEAD, POST, OPTIONS",
            Self::Client(_) => "DELETE, OPTIONS",
            Self::User(_) => "GET, HEAD, DELETE, OPTIONS",
            Self::Test => "GET, HEAD, POST, OPTIONS",
            Self::Stream
            | Self::Statistics
            | Self::Users
            | Self::Panel(_)
            | Self::OpenApi
            | Self::BrowserClient
            | Self::Metrics
            | Self::Liveness
            | Self::Readiness => "GET, HEAD, OPTIONS",
        }
    }

    fn route(self, method: Method<'_>) -> Option<Route> {
        let reads = matches!(method, Method::Get | Method::Head);
        match (self, method) {
            (Self::Stream, Method::Get) => Some(Route::Stream),
            (Self::Stream, Method::Head) => Some(Route::StreamHead),
            (Self::Events, Method::Post) => Some(Route::Publish),
            (Self::Events, _) if reads => Some(Route::History),
            (Self::Test, Method::Post) => Some(Route::Test),
            (Self::User(user), Method::Delete) => Some(Route::DisconnectUser(user)),
            (Self::Client(client), Method::Delete) => Some(Route::DisconnectClient(client)),
            (Self::Statistics | Self::Test, _) if reads => Some(Route::Statistics),
            (Self::Users, _) if reads => Some(Route::Users),
            (Self::User(user), _) if reads => Some(Route::User(user)),
            (Self::Metrics, _) if reads => Some(Route::Metrics),
            (Self::Panel(file), _) if reads => Some(Route::Panel(file)),
            (Self::OpenApi, _) if reads => Some(Route::OpenApi),
            (Self::BrowserClient, _) if reads => Some(Route::BrowserClient),
            (Self::Liveness, _) if reads => Some(Route::Liveness),
            (Self::Readiness, _) if reads => Some(Route::Readiness),
            _ => None,
        }
    }
}

/// Methods that HTTP defines and no route has (RFC 9110, 9; RFC 5789).
fn is_registered(method: &str) -> bool {
    matches!(method, "PUT" | "PATCH" | "TRACE" | "CONNECT")
}
