//! Request methods.

/// What a request asks to be done (RFC 9110, 9). Methods are case-sensitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method<'b> {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// Any other token: 405 or 501 is for the caller to say.
    Other(&'b str),
}

impl<'b> Method<'b> {
    /// The method that a token names.
    pub fn of(token: &'b str) -> Self {
        match token {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            other => Self::Other(other),
        }
    }

    /// The token.
    pub fn as_str(&self) -> &'b str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other(token) => token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_prints_as_it_was_written() {
        for token in ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "get", "QUERY"] {
            assert_eq!(Method::of(token).as_str(), token);
        }
        assert_eq!(Method::of("get"), Method::Other("get"));
    }
}
