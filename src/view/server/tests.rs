use http_body_util::BodyExt;
use hyper::HeaderMap;
use tokio::time::{Instant, advance};

use super::*;
use crate::{
    model::Now,
    view::{
        record::PoolView,
        types::{Pools, Refusal},
    },
};

fn own() -> Leader {
    Leader {
        pod: "twp-0".into(),
        namespace: "twp-system".into(),
        port: 8082,
        version: Some("1".into()),
    }
}

fn view(holder: Option<&str>) -> (View, mpsc::Receiver<Question>) {
    let holder = watch::Sender::new(holder.map(str::to_owned));
    View::new(own(), HostRule::loopback(), holder.subscribe())
}

fn key(name: &str) -> Key {
    Key {
        namespace: "shop".into(),
        name: name.into(),
    }
}

const NOW: Now = Now {
    wall: jiff::Timestamp::UNIX_EPOCH,
    moment: Duration::ZERO,
};

/// An event loop that has one pool, `mail`, and counts the questions.
fn answering(mut asked: mpsc::Receiver<Question>) -> watch::Receiver<usize> {
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        let mail = PoolView::new(&key("mail"));
        while let Some(question) = asked.recv().await {
            count.send_modify(|count| *count += 1);
            match question {
                Question::Pools(answer) => drop(answer.send(Snapshot {
                    now: NOW,
                    entries: vec![mail.entry()],
                })),
                Question::Pool(wanted, answer) => drop(answer.send((wanted == key("mail")).then(|| Whole {
                    now: NOW,
                    entry: mail.entry(),
                    log: mail.log(),
                    pods: Vec::new(),
                    pods_omitted: 0,
                }))),
            }
        }
    });
    counted
}

async fn get(view: &View, path: &str) -> (u16, HeaderMap, String) {
    said(view, Request::get(path).body(()).unwrap()).await
}

async fn said(view: &View, request: Request<()>) -> (u16, HeaderMap, String) {
    let (head, body) = view.answer(&request).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        head.status.as_u16(),
        head.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

/// What a refusal says: its reason, and who leads.
async fn refused(view: &View, path: &str) -> (u16, String, Option<String>) {
    let (status, headers, body) = get(view, path).await;
    assert_eq!(headers[CONTENT_TYPE], JSON);
    let refusal: Refusal = serde_json::from_str(&body).unwrap();
    assert_eq!(refusal.api_version, "v1");
    assert!(refusal.error.message.ends_with('.'), "{body}");
    (status, refusal.error.reason, refusal.leader.map(|leader| leader.pod))
}

#[tokio::test]
async fn the_leader_tells_its_pools() {
    let (view, asked) = view(Some("twp-0"));
    let _counted = answering(asked);
    let (status, _, body) = get(&view, "/api/v1/pools").await;
    let pools: Pools = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, pools.pools[0].name.as_str(), &pools.leader),
        (200, "mail", &own())
    );
    let (status, _, body) = get(&view, "/api/v1/pools/shop/mail").await;
    assert!(status == 200 && body.contains("\"detail\""), "{body}");
    for path in [
        "/api/v1/pools/shop/other",
        "/api/v1/pools/shop/mail/x",
        "/api/v1/pools/%2e%2e/mail",
    ] {
        assert_eq!(
            refused(&view, path).await,
            (404, "NotFound".into(), Some("twp-0".into())),
            "{path}"
        );
    }
    for path in [
        "/api/v1/pools/",
        "/api/v2/pools",
        "/api",
        "/metrics",
        "/../view.js",
        "//",
    ] {
        assert_eq!(refused(&view, path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_standby_names_the_leader_always_in_the_same_shape() {
    let (view, _asked) = view(Some("twp-1"));
    for path in ["/api/v1/pools", "/api/v1/pools/shop/mail"] {
        assert_eq!(
            refused(&view, path).await,
            (503, "NotLeader".into(), Some("twp-1".into()))
        );
    }
    assert_eq!(get(&view, "/").await.0, 200, "the page says so");
    let (unknown, _asked) = super::tests::view(None);
    assert_eq!(
        refused(&unknown, "/api/v1/pools").await,
        (503, "NotLeader".into(), None)
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_and_no_queue_grows() {
    let (view, mut asked) = view(Some("twp-0"));
    let start = Instant::now();
    assert_eq!(
        refused(&view, "/api/v1/pools/shop/mail").await.1,
        "Busy",
        "the loop does not turn"
    );
    assert!(start.elapsed() < 2 * DEADLINE);
    while asked.try_recv().is_ok() {}
    let waiting: Vec<_> = (0..QUESTIONS)
        .map(|_| {
            let view = view.clone();
            tokio::spawn(async move { refused(&view, "/api/v1/pools/shop/mail").await.1 })
        })
        .collect();
    while asked.len() < QUESTIONS {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    assert_eq!(refused(&view, "/api/v1/pools/shop/mail").await.1, "Busy");
    assert!(start.elapsed().is_zero(), "at once");
    drop(asked);
    for answer in waiting {
        assert_eq!(answer.await.unwrap(), "Starting", "the loop does not act yet");
    }
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_within_a_second_share_one_list() {
    let (view, asked) = view(Some("twp-0"));
    let counted = answering(asked);
    for _ in 0..10 {
        get(&view, "/api/v1/pools").await;
    }
    assert_eq!(*counted.borrow(), 1);
    advance(Duration::from_secs(1)).await;
    get(&view, "/api/v1/pools").await;
    assert_eq!(*counted.borrow(), 2);
}

#[tokio::test]
async fn nothing_from_elsewhere_is_loaded_and_nothing_is_kept() {
    let (view, asked) = view(Some("twp-0"));
    let _counted = answering(asked);
    for path in [
        "/",
        "/view.js",
        "/view.css",
        "/troubleshooting.md",
        "/api/v1/pools",
        "/nothing",
    ] {
        let (_, headers, body) = get(&view, path).await;
        assert!(!body.is_empty());
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(headers[name], value, "{path}");
        }
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
    assert!(
        !SCRIPT.contains("innerHTML") && !SCRIPT.contains("insertAdjacentHTML") && !SCRIPT.contains("document.write")
    );
    for text in [PAGE, SCRIPT, STYLE] {
        let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("http:") && !elsewhere.contains("https:"));
    }
}

/// DNS rebinding: a page from elsewhere has its own name resolve to this address.
#[tokio::test]
async fn a_request_that_names_another_host_learns_nothing() {
    let (view, asked) = view(Some("twp-0"));
    let counted = answering(asked);
    let with = |hosts: &[&str], target: &str| {
        let mut request = Request::get(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap()
    };
    for (hosts, target) in [
        (&["evil.example"][..], "/api/v1/pools"),
        (&["evil.example:8082"], "/"),
        (&["localhost", "evil.example"], "/api/v1/pools"),
        (&["localhost", "localhost"], "/api/v1/pools"),
        (&[""], "/api/v1/pools"),
        (&["localhost"], "http://evil.example/api/v1/pools"),
        (&[], "http://evil.example/api/v1/pools"),
    ] {
        let (status, _, body) = said(&view, with(hosts, target)).await;
        assert_eq!(status, 403, "{hosts:?} {target}");
        assert!(body.contains("HostNotAllowed") && !body.contains("twp-0"), "{body}");
    }
    let strange = HeaderValue::from_bytes(b"local\xffhost").unwrap();
    let strange = Request::get("/").header(HOST, strange).body(()).unwrap();
    assert_eq!(said(&view, strange).await.0, 403);
    assert_eq!(*counted.borrow(), 0, "the event loop was not asked");
    for host in ["127.0.0.1:8082", "[::1]:8082", "localhost:8082"] {
        assert_eq!(said(&view, with(&[host], "/api/v1/pools")).await.0, 200, "{host}");
    }
}
