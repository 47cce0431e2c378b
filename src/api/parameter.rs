//! The names of query parameters, and likely misspellings.

use super::problem::Problem;
use crate::event::excerpt;
use crate::http::query_names;

/// Which query parameters a request for a stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// All of them: the client is who the query says.
    All,
    /// A token, and those that say what is asked for. The token says who the client is.
    Token,
    /// Those that say what is asked for. The program that embeds the engine defines those that say who the client is.
    Asked,
}

/// A parameter, and other names that people use for it: in lower case, without separators.
struct Known {
    name: &'static str,
    says_who: bool,
    near: &'static [&'static str],
}

const TOKEN: Known = Known {
    name: "access_token",
    says_who: true,
    near: &["accesstoken", "token", "authtoken", "bearertoken", "jwt", "bearer", "authorization"],
};

const KNOWN: [Known; 6] = [
    Known { name: "topic", says_who: false, near: &["topic", "topics"] },
    Known { name: "lastEventId", says_who: false, near: &["lasteventid", "lastevent", "lastid", "eventid"] },
    Known { name: "since", says_who: false, near: &["since", "sincems", "sincetime"] },
    Known { name: "userId", says_who: true, near: &["userid", "userids", "user", "users", "uid"] },
    Known {
        name: "sessionId",
        says_who: true,
        near: &["sessionid", "sessionids", "session", "sessions", "sid"],
    },
    TOKEN,
];

/// Maximum number of parameters in a query: more than a stream can use, and few enough to check for anybody.
pub(super) const MAX_PARAMETERS: usize = 256;
/// Length of the longest other name, in bytes.
const LONGEST: usize = 13;
/// The name of `meta.KEY` in the detail of a refusal.
const META: &str = "meta.KEY";

impl Parameters {
    /// Checks a parameter that is not one of a stream's. Most are ignored, such as those that defeat caches. But a
    /// likely misspelling would silently open a stream that gets nothing, so it is refused (400).
    pub(super) fn judge(self, name: &str) -> Result<(), Problem> {
        let near = BareName::of(name);
        let is_meant =
            |known: &&Known| self.has(known) && near.is_some_and(|near| known.is_nearly(name, near));
        let meant = match KNOWN.iter().find(is_meant) {
            Some(known) => Some(known.name),
            None if self == Self::All && is_nearly_meta(name) => Some(META),
            None => None,
        };
        meant.map_or(Ok(()), |meant| {
            Err(Problem::new(400, format!("unknown parameter {:?}: use {meant}", excerpt(name))))
        })
    }

    /// Whether this is the name of a parameter.
    pub(super) fn names(self, name: &str) -> bool {
        let is_meta = || name.strip_prefix("meta.").is_some_and(|key| !key.is_empty());
        KNOWN.iter().any(|known| known.name == name && self.has(known)) || (self == Self::All && is_meta())
    }

    fn has(self, known: &Known) -> bool {
        match self {
            Self::All => true,
            Self::Token => !known.says_who || known.name == TOKEN.name,
            Self::Asked => !known.says_who,
        }
    }
}

impl Known {
    fn is_nearly(&self, name: &str, bare: BareName) -> bool {
        name != self.name && self.near.iter().any(|near| near.as_bytes() == bare.as_bytes())
    }
}

/// The name of a query parameter that was probably meant to be `access_token`.
pub fn meant_token(query: &str) -> Option<String> {
    let is_meant = |name: &str| BareName::of(name).is_some_and(|bare| TOKEN.is_nearly(name, bare));
    let mut names = query_names(query).take(MAX_PARAMETERS);
    names.find(|name| is_meant(name)).map(|name| excerpt(&name).into_owned())
}

/// A name in lower case, without subscripts, separators and a number at its end: `user_id`, `User-ID`, `userId[]` and
/// `user.id2` are all `userid`.
///
/// It does not allocate: a query may have thousands of names, and come from anybody.
#[derive(Clone, Copy)]
struct BareName {
    letters: [u8; LONGEST],
    length: usize,
}

impl BareName {
    /// `None` if the name is too long to be similar to any, or has other letters than those of ASCII.
    fn of(name: &str) -> Option<Self> {
        let mut bare = Self { letters: [0; LONGEST], length: 0 };
        let mut has_number = false;
        for c in name.chars().take_while(|c| *c != '[').filter(|c| c.is_alphanumeric()) {
            if c.is_ascii_digit() {
                has_number = true;
                continue;
            }
            let mut lower = c.to_lowercase();
            let letter = lower.next().filter(char::is_ascii)?;
            if has_number || lower.next().is_some() {
                return None;
            }
            *bare.letters.get_mut(bare.length)? = u8::try_from(letter).ok()?;
            bare.length += 1;
        }
        Some(bare)
    }

    fn as_bytes(&self) -> &[u8] {
        &self.letters[..self.length]
    }
}

/// Whether it was meant to be metadata: `meta[room]`, `metadata.room`, `Meta.room`, `meta_room`, `meta`.
fn is_nearly_meta(name: &str) -> bool {
    let is_exact = name.strip_prefix("meta.").is_some_and(|key| !key.is_empty());
    let rest = |prefix: &str| {
        let begins = name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        begins.then(|| &name[prefix.len()..])
    };
    let is_end = |rest: &str| !rest.starts_with(char::is_alphanumeric);
    !is_exact && ["metadata", "meta"].into_iter().filter_map(rest).any(is_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parameter that was probably meant.
    fn meant(parameters: Parameters, name: &str) -> Option<String> {
        let problem = parameters.judge(name).err()?;
        assert_eq!(problem.status, 400);
        Some(problem.detail.rsplit(' ').next().unwrap().to_owned())
    }

    #[test]
    fn what_is_nearly_a_parameter_is_told_its_name() {
        for (name, meant_by) in [
            ("topic", "topics topic[] topic[0] topics[] Topic TOPIC topic1 topic_2 topic. _topic"),
            ("userId", "userid user_id user-id UserID USERID user user.id userId[] userId[0] users uid"),
            ("sessionId", "sessionid session_id session-id session SESSION sid sessionId[]"),
            (
                "lastEventId",
                "last_event_id lasteventid last-event-id Last-Event-ID lastEventID LastEventId last_id",
            ),
            (
                "access_token",
                "accessToken access-token token Token jwt ACCESS_TOKEN access_token[] authorization",
            ),
            (
                META,
                "meta meta. meta[] meta[room] metadata metadata.room metadata[room] Meta.room META.x meta_room meta-data",
            ),
        ] {
            for near in meant_by.split(' ') {
                assert_eq!(meant(Parameters::All, near).as_deref(), Some(name), "{near}");
            }
        }
    }

    #[test]
    fn what_is_somebody_elses_is_let_be() {
        for name in [
            "",
            "_",
            "=",
            "t",
            "v",
            "v2",
            "utm_source",
            "cachebuster",
            "_=123",
            "nocache",
            "rand",
            "metaphor",
            "metab",
            "metadatax",
            "meter",
            "topical",
            "mytopic",
            "x-user",
            "userAgent",
            "id",
            "cursor",
            "123",
            "[]",
            "[topic]",
            "channel",
            "username",
            "tokens_left",
            "since",
            "until",
            "wait",
            "clientId",
            "meta.room",
            "meta.\u{e9}",
            "met\u{e9}",
            "\u{e9}",
            "topic",
            "userId",
            "sessionId",
            "lastEventId",
            "access_token",
        ] {
            assert_eq!(meant(Parameters::All, name), None, "{name}");
        }
    }

    #[test]
    fn who_asks_is_up_to_the_program_that_embeds_the_engine() {
        for name in ["token", "user", "session_id", "meta[room]", "jwt"] {
            assert_eq!(meant(Parameters::Asked, name), None, "{name}");
        }
        for (near, name) in [("topics", "topic"), ("last-event-id", "lastEventId")] {
            assert_eq!(meant(Parameters::Asked, near).as_deref(), Some(name));
        }
    }

    #[test]
    fn where_a_token_says_who_asks_it_is_looked_for_and_no_name_is() {
        let ignored = ["userId", "userid", "user", "sessionId", "sid", "meta.room", "meta[room]", "meta"];
        for name in ignored {
            assert_eq!(meant(Parameters::Token, name), None, "{name}");
            assert!(!Parameters::Token.names(name), "{name}");
        }
        for (near, name) in [("token", "access_token"), ("topics", "topic"), ("eventId", "lastEventId")] {
            assert_eq!(meant(Parameters::Token, near).as_deref(), Some(name));
            assert!(Parameters::Token.names(name) && !Parameters::Token.names(near));
        }
        assert!(Parameters::All.names("userId") && Parameters::All.names("meta.room"));
        assert!(!Parameters::All.names("meta.") && !Parameters::Asked.names("access_token"));
    }

    #[test]
    fn a_name_is_bare_without_what_does_not_count() {
        for (name, bare) in [
            ("user_id", Some("userid")),
            ("User-ID", Some("userid")),
            ("userId[\u{e9}]9x", Some("userid")),
            ("user.id2", Some("userid")),
            ("to\u{212a}en", Some("token")),
            ("a_u-t h/o.r:ization0123456789", Some("authorization")),
            ("", Some("")),
            ("12", Some("")),
            ("[topic]", Some("")),
            ("1topic", None),
            ("topic1s", None),
            ("t\u{f6}pic", None),
            ("topic\u{b2}", None),
            ("\u{130}d", None),
            ("authorizations", None),
        ] {
            let found = BareName::of(name);
            assert_eq!(found.as_ref().map(BareName::as_bytes), bare.map(str::as_bytes), "{name}");
        }
        let all = KNOWN.iter().flat_map(|known| known.near);
        assert_eq!(all.map(|near| near.len()).max(), Some(LONGEST));
    }

    #[test]
    fn a_token_by_another_name_is_found() {
        assert_eq!(meant_token("a=b&Token=x&jwt=y").as_deref(), Some("Token"));
        assert_eq!(meant_token("access_token=x&topics=y&%ff=z"), None);
        assert_eq!(meant_token("a&%74o%6Ben=x").as_deref(), Some("token"));
        assert_eq!(meant_token(&("a&".repeat(MAX_PARAMETERS - 1) + "jwt=x")).as_deref(), Some("jwt"));
        assert_eq!(meant_token(&("a&".repeat(MAX_PARAMETERS) + "jwt=x")), None, "nobody looks that far");
    }
}
