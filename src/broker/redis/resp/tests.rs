use super::*;

async fn read(mut bytes: &[u8]) -> Result<Value, SampleError> {
    let value = Value::read(&mut bytes, 1 << 20).await;
    if value.is_ok() {
        assert!(bytes.is_empty(), "{} bytes left", bytes.len());
    }
    value
}

fn text(text: &str) -> Value {
    Value::Text(Some(text.into()))
}

#[tokio::test]
async fn replies_are_read_to_their_end() {
    for (bytes, expected) in [
        ("+OK\r\n", Value::Done),
        (
            "-NOPERM no permissions for 'key'\r\n",
            Value::Refused(SampleError::Permission),
        ),
        ("-\r\n", Value::Refused(SampleError::ServerError(Word::default()))),
        (":-7\r\n", Value::Number(-7)),
        ("$3\r\na\r\n\r\n", Value::Text(Some("a\r\n".into()))),
        ("$0\r\n\r\n", Value::Text(Some(Vec::new()))),
        ("$-1\r\n", Value::Text(None)),
        ("*-1\r\n", Value::List(Vec::new())),
        ("*0\r\n", Value::List(Vec::new())),
        (
            "*2\r\n*2\r\n$1\r\na\r\n*1\r\n:5\r\n*0\r\n",
            Value::List(vec![
                Value::List(vec![text("a"), Value::List(vec![Value::Number(5)])]),
                Value::List(Vec::new()),
            ]),
        ),
        (
            "*4\r\n$1\r\na\r\n$-1\r\n:5\r\n$1\r\nb\r\n",
            Value::List(vec![text("a"), Value::Text(None), Value::Number(5), text("b")]),
        ),
    ] {
        assert_eq!(read(bytes.as_bytes()).await, Ok(expected), "{bytes:?}");
    }
}

#[tokio::test]
async fn anything_else_is_an_error() {
    use SampleError::*;
    let long = "x".repeat(2_000);
    for (bytes, expected) in [
        ("", Disconnected),
        ("+O", Disconnected),
        ("$5\r\nabc", Disconnected),
        ("*2\r\n:1\r\n", Disconnected),
        ("HTTP/1.1", Protocol),
        (">1\r\n:1\r\n", Protocol),
        ("*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", Protocol),
        ("*2\r\n*1\r\n:1\r\n", Disconnected),
        ("*1\r\n*1\r\n+OK\r\n", Protocol),
        ("*2\r\n*16382\r\n", Disconnected),
        ("*2\r\n*16383\r\n", TooLarge),
        ("*1\r\n+OK\r\n", Protocol),
        ("*1\r\n-ERR\r\n", Protocol),
        ("$-2\r\n", Protocol),
        ("*-2\r\n", Protocol),
        ("$1\r\nabc", Protocol),
        (":+1\r\n", Protocol),
        (":1\n", Protocol),
        (":\r\n", Protocol),
        (": 1\r\n", Protocol),
        (":9223372036854775808\r\n", Protocol),
        ("*16385\r\n", TooLarge),
        (&format!("+{long}"), TooLarge),
        (&format!("-{long}\r\n"), TooLarge),
    ] {
        assert_eq!(read(bytes.as_bytes()).await, Err(expected), "{bytes:?}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_dropped_and_harms_nothing_that_comes_after_it() {
    let big = "x".repeat(300);
    for reply in [
        format!("${}\r\n{big}\r\n", big.len()),
        format!("*3\r\n$1\r\na\r\n${}\r\n{big}\r\n$1\r\nb\r\n", big.len()),
        format!("*50\r\n{}", "$1\r\na\r\n".repeat(50)),
        format!("*50\r\n{}", ":1\r\n".repeat(50)),
        format!("+{big}\r\n"),
    ] {
        let stream = format!("{reply}:7\r\n");
        let mut stream = stream.as_bytes();
        let first = Value::read(&mut stream, 100).await;
        assert_eq!(first, Ok(Value::Refused(SampleError::TooLarge)), "{reply:?}");
        assert_eq!(Value::read(&mut stream, 100).await, Ok(Value::Number(7)), "{reply:?}");
    }
    for (cut, expected) in [
        ("$300\r\nxx", SampleError::Disconnected),
        (&format!("$299\r\n{big}xx"), SampleError::Protocol),
    ] {
        assert_eq!(Value::read(&mut cut.as_bytes(), 100).await, Err(expected));
    }
}

#[test]
fn commands_are_counted_and_binary_safe() {
    let mut commands = Commands::one(&[b"PING"]);
    commands.add(KeyPlace::FIRST, &[b"LLEN", b"a\r\n\x06"]);
    assert_eq!(commands.count(), 2);
    assert_eq!(
        commands.bytes(),
        b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nLLEN\r\n$4\r\na\r\n\x06\r\n"
    );
}
