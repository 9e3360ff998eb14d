//! Requests that a page of another site makes a browser send.

use super::failure::Failure;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses a request that a browser sends for a page of another site: such a page must not change the catalogue of a
/// service that only the visitor's machine can reach.
pub(super) async fn refuse_other_sites(request: Request, next: Next) -> Response {
    match is_of_another_site(request.headers()) {
        true => {
            let message = "a page of another site asks for this change; use this service's own page, or a program";
            Failure::new(StatusCode::FORBIDDEN, "other_site", message).into_response()
        }
        false => next.run(request).await,
    }
}

/// Browsers say where a request comes from: in `Sec-Fetch-Site` if the service is on this machine or behind TLS, else in
/// `Origin` alone. Programs send neither.
fn is_of_another_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).map(|host| host.as_bytes());
    let origin = origin.as_bytes();
    let authority = origin.windows(3).position(|part| part == b"://").map(|at| &origin[at + 3..]);
    // Of a page without an origin, such as a file, `null` is sent.
    authority.is_none() || authority != host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_browsers_on_other_sites_are_refused() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let headers = pairs.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            is_of_another_site(&headers.collect())
        };
        let (host, own) = (("host", "shop:8080"), ("origin", "http://shop:8080"));
        for good in
            [&[host][..], &[host, own], &[host, ("sec-fetch-site", "same-origin")], &[("sec-fetch-site", "none")]]
        {
            assert!(!of(good), "{good:?}");
        }
        // Behind a proxy the host may be another, and the browser's own word counts.
        assert!(!of(&[("host", "127.0.0.1:8080"), own, ("sec-fetch-site", "same-origin")]));
        for bad in [
            ("origin", "http://elsewhere"),
            ("origin", "http://shop"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
        ] {
            assert!(of(&[host, bad]), "{bad:?}");
        }
        assert!(of(&[host, own, ("sec-fetch-site", "same-site")]));
    }
}
