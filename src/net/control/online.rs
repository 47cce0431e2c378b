//! Answers to questions about who is online.

use serde::Serialize;
use serde_json::json;

use super::outcome::Outcome;
use crate::api::Response;
use crate::net::presence::{Presence, Question};

/// Whether a user is online.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Online<'u> {
    user_id: &'u str,
    online: bool,
    connections: usize,
}

/// Answers how many users are online. Calls `later` if the answer is not known at once.
pub(super) fn users(presence: &dyn Presence, later: impl FnOnce(Response) + Send + 'static) -> Outcome {
    let answer = |users| Response::json(200, &json!({ "connectedUsers": users }));
    ask(presence, Question::Users, answer, later)
}

/// Answers whether a user is online.
pub(super) fn user(
    presence: &dyn Presence,
    user: String,
    later: impl FnOnce(Response) + Send + 'static,
) -> Outcome {
    let answer = |user: &str, connections| {
        Response::json(200, &Online { user_id: user, online: connections > 0, connections })
    };
    let asked = user.clone();
    ask(presence, Question::StreamsOf(&asked), move |connections| answer(&user, connections), later)
}

fn ask(
    presence: &dyn Presence,
    question: Question<'_>,
    answer: impl FnOnce(usize) -> Response + Clone + Send + 'static,
    later: impl FnOnce(Response) + Send + 'static,
) -> Outcome {
    let late = answer.clone();
    match presence.ask(question, Box::new(move |count| later(late(count)))) {
        Some(count) => Outcome::Answer(answer(count)),
        None => Outcome::Later,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::api::ResponseOptions;
    use crate::net::presence::tests::Remote;

    #[test]
    fn an_answer_that_comes_later_is_the_same() {
        let remote = Remote::default();
        let (sender, answers) = channel();
        let reply = sender.clone();
        assert!(matches!(users(&remote, move |response| reply.send(response).unwrap()), Outcome::Later));
        let later = move |response| sender.send(response).unwrap();
        assert!(matches!(user(&remote, "ada".to_owned(), later), Outcome::Later));
        assert!(answers.try_recv().is_err(), "nobody has answered");
        assert_eq!(remote.answer(2), 2);
        let bodies: Vec<String> = answers.iter().map(|response| body_of(&response)).collect();
        assert_eq!(bodies, [r#"{"connectedUsers":2}"#, r#"{"userId":"ada","online":true,"connections":2}"#]);
    }

    fn body_of(response: &Response) -> String {
        let mut bytes = Vec::new();
        response.write(
            &mut bytes,
            ResponseOptions { head_only: false, close: false, date: "", cross_origin: b"" },
        );
        let text = String::from_utf8(bytes).unwrap();
        text.split_once("\r\n\r\n").expect("a head").1.to_owned()
    }
}
