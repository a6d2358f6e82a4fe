//! AMQP frames in the bytes that arrive, checked before the client library parses them. Pure.
//!
//! The library recurses into tables within tables: a few kilobytes of them would end the process with a stack overflow.
#![deny(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use crate::model::SampleError;

/// Largest frame that is accepted, in bytes: the smallest limit that RabbitMQ 4.1 and later agree to. Larger messages
/// come in several frames. The client library keeps two buffers of 32 frames for each connection.
pub(super) const FRAME_MAX: u32 = 8192;

/// Size in bytes of type, channel and size before a frame's payload, and of the end octet after it.
const OVERHEAD: u32 = 8;

/// Largest depth of tables and arrays; RabbitMQ and applications send three.
const DEPTH_MAX: usize = 16;

/// Frame types of AMQP 0-9-1 (4.2.3).
mod kind {
    pub(super) const METHOD: u8 = 1;
    pub(super) const HEADER: u8 = 2;
    pub(super) const BODY: u8 = 3;
    pub(super) const HEARTBEAT: u8 = 8;
}

/// Largest message that is passed on, in bytes. Of a larger one only the envelope is, as if it were empty.
pub(super) const MESSAGE_MAX: u64 = 2 << 20;

/// Place of the body's length in a content header (4.2.6.1): after class and weight.
const BODY_SIZE: std::ops::Range<usize> = 4..12;

/// State of the frames: type, channel, size, payload, end octet.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Header of the frame, as far as it is there.
    header: [u8; 7],
    have: usize,
    /// Number of bytes of payload and end octet still to come.
    rest: usize,
    /// Payload of a frame that is parsed, with its end octet, as far as it is there.
    payload: Vec<u8>,
    /// Number of bytes still to come of the bodies that are too large, by channel.
    dropped: BTreeMap<[u8; 2], u64>,
}

impl Frames {
    /// Passes bytes into `out`, without the bodies of messages that are too large.
    ///
    /// # Errors
    /// [`SampleError::Protocol`]: not AMQP, or tables too deep; [`SampleError::TooLarge`]: a frame beyond [`FRAME_MAX`].
    pub(super) fn pass(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), SampleError> {
        while let Some((first, others)) = bytes.split_first() {
            if self.rest > 0 {
                let (here, later) = bytes.split_at_checked(self.rest).unwrap_or((bytes, &[]));
                self.payload(here, out)?;
                bytes = later;
                continue;
            }
            if let Some(place) = self.header.get_mut(self.have) {
                *place = *first;
                self.have += 1;
            }
            bytes = others;
            self.header(out)?;
        }
        Ok(())
    }

    /// Checks the header as far as it is there.
    fn header(&mut self, out: &mut Vec<u8>) -> Result<(), SampleError> {
        let [kind, channel @ .., _, _, _, _] = self.header;
        let [_, _, _, size @ ..] = self.header;
        if !matches!(kind, kind::METHOD | kind::HEADER | kind::BODY | kind::HEARTBEAT) {
            return Err(SampleError::Protocol);
        }
        if self.have == self.header.len() {
            let size = u32::from_be_bytes(size);
            if size > FRAME_MAX - OVERHEAD {
                return Err(SampleError::TooLarge);
            }
            self.rest = size as usize + 1;
            self.have = 0;
            if !self.is_dropped(kind, channel) {
                out.extend_from_slice(&self.header);
            }
        }
        Ok(())
    }

    /// Whether the frame is a part of a body that is too large.
    fn is_dropped(&self, kind: u8, channel: [u8; 2]) -> bool {
        kind == kind::BODY && self.dropped.contains_key(&channel)
    }

    /// Takes in a part of a payload; checks the whole when it is complete.
    fn payload(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), SampleError> {
        let [kind, channel @ .., _, _, _, _] = self.header;
        self.rest -= bytes.len();
        if self.is_dropped(kind, channel) {
            // Without the end octet.
            let body = bytes.len() - usize::from(self.rest == 0);
            let left = self.dropped.get_mut(&channel);
            if let Some(left) = left {
                *left = left.saturating_sub(body as u64);
                if *left == 0 && self.rest == 0 {
                    self.dropped.remove(&channel);
                }
            }
            return Ok(());
        }
        if !matches!(kind, kind::METHOD | kind::HEADER) {
            out.extend_from_slice(bytes);
            return Ok(());
        }
        self.payload.extend_from_slice(bytes);
        if self.rest == 0 {
            if !is_shallow(&self.payload) {
                return Err(SampleError::Protocol);
            }
            match kind {
                kind::HEADER => self.shorten(channel),
                // A channel that ends is done with its messages, and one that begins has none.
                _ => _ = self.dropped.remove(&channel),
            }
            out.append(&mut self.payload);
        }
        Ok(())
    }

    /// Replaces the header of a message that is too large by that of an empty one, whose body is dropped.
    fn shorten(&mut self, channel: [u8; 2]) {
        let Some(size) = self.payload.get_mut(BODY_SIZE) else {
            return;
        };
        let length = u64::from_be_bytes((&*size).try_into().unwrap_or_default());
        if length > MESSAGE_MAX {
            size.fill(0);
            self.dropped.insert(channel, length);
        }
    }
}

/// Whether no tables (`F`) and arrays (`A`) lie too deep within each other. Every such byte with a size behind it that
/// fits counts, wherever it stands: more than there are, never fewer.
fn is_shallow(payload: &[u8]) -> bool {
    let mut ends: Vec<usize> = Vec::with_capacity(DEPTH_MAX);
    for (place, window) in payload.windows(5).enumerate() {
        if let [b'A' | b'F', size @ ..] = window {
            let size: [u8; 4] = size.try_into().unwrap_or_default();
            let end = place
                .saturating_add(5)
                .saturating_add(u32::from_be_bytes(size) as usize);
            ends.retain(|end| *end > place);
            if end <= payload.len() {
                ends.push(end);
            }
            if ends.len() > DEPTH_MAX {
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[&[u8]]) -> Option<SampleError> {
        let mut frames = Frames::default();
        let mut out = Vec::new();
        let error = bytes.iter().find_map(|bytes| frames.pass(bytes, &mut out).err());
        assert!(error.is_some() || out.len() <= bytes.concat().len());
        error
    }

    /// Bytes that are passed on.
    fn passed(bytes: &[u8], at_once: usize) -> Vec<u8> {
        let mut frames = Frames::default();
        let mut out = Vec::new();
        for bytes in bytes.chunks(at_once) {
            frames.pass(bytes, &mut out).unwrap();
        }
        out
    }

    /// Content header of a message of this size.
    fn content(size: u64) -> Vec<u8> {
        frame(2, &[&[0, 60, 0, 0][..], &size.to_be_bytes(), &[0, 0]].concat())
    }

    #[test]
    fn of_a_message_that_is_too_large_only_an_empty_envelope_passes() {
        let method = frame(1, &[0, 60, 0, 60, 1, b'c']);
        let body = frame(3, &[7; 8000]);
        let other = [&[3, 0, 2][..], &3_u32.to_be_bytes(), b"abc", &[0xCE]].concat();
        let size = 300 * 8000;
        assert!(size > MESSAGE_MAX);
        let large = [
            &method[..],
            &content(size),
            &body.repeat(150),
            &other,
            BEAT,
            &body.repeat(150),
        ]
        .concat();
        let small = [&method[..], &content(8000), &body].concat();
        let stream = [&small[..], &large, &small].concat();
        let expected = [&small[..], &method, &content(0), &other, BEAT, &small].concat();
        for at_once in [1, 7, 1000, stream.len()] {
            assert!(passed(&stream, at_once) == expected, "{at_once}");
        }
        // The largest that passes, passes whole.
        let largest = [&content(MESSAGE_MAX)[..], &body].concat();
        assert!(passed(&largest, 1000) == largest);
    }

    #[test]
    fn a_channel_that_ends_takes_the_rest_of_its_message_along() {
        let close = frame(1, &[0, 20, 0, 40]);
        let body = frame(3, &[7; 8000]);
        let stream = [&content(3 << 20)[..], &body, &close, &content(8000), &body].concat();
        let expected = [&content(0)[..], &close, &content(8000), &body].concat();
        assert!(passed(&stream, 900) == expected);
    }

    const BEAT: &[u8] = &[8, 0, 0, 0, 0, 0, 0, 0xCE];

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len()).unwrap();
        [&[kind, 0, 1][..], &size.to_be_bytes(), payload, &[0xCE]].concat()
    }

    fn nested(letter: u8, depth: usize) -> Vec<u8> {
        (0..depth).fold(vec![b'V'], |value, _| {
            let value = if letter == b'F' {
                [b"\x01k", &value[..]].concat()
            } else {
                value
            };
            let size = u32::try_from(value.len()).unwrap();
            [&[letter][..], &size.to_be_bytes(), &value].concat()
        })
    }

    #[test]
    fn whole_and_split_frames_pass() {
        assert_eq!(error(&[BEAT, BEAT]), None);
        let bytes = [&frame(1, &[9; 30]), BEAT, &frame(3, b""), BEAT].concat();
        assert_eq!(error(&[&bytes]), None);
        let split: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(error(&split), None);
    }

    #[test]
    fn a_frame_beyond_the_limit_never_reaches_the_parser() {
        let size = |size: u32| [&[1, 0, 0][..], &size.to_be_bytes()].concat();
        assert_eq!(error(&[&size(FRAME_MAX - OVERHEAD)]), None);
        assert_eq!(error(&[&size(FRAME_MAX - OVERHEAD + 1)]), Some(SampleError::TooLarge));
        assert_eq!(error(&[&size(u32::MAX)]), Some(SampleError::TooLarge));
    }

    #[test]
    fn other_protocols_are_told_apart() {
        for other in [
            "HTTP/1.1 400 Bad Request\r\n",
            "AMQP\0\0\t\u{1}",
            "-ERR unknown\r\n",
            "\0",
        ] {
            assert_eq!(error(&[other.as_bytes()]), Some(SampleError::Protocol), "{other:?}");
        }
    }

    #[test]
    fn tables_within_tables_are_bounded_where_they_are_parsed() {
        for letter in [b'A', b'F'] {
            for kind in [1, 2] {
                assert_eq!(error(&[&frame(kind, &nested(letter, 16))]), None);
                let deep = frame(kind, &nested(letter, 17));
                assert_eq!(error(&[&deep]), Some(SampleError::Protocol));
                let split: Vec<&[u8]> = deep.chunks(3).collect();
                assert_eq!(error(&split), Some(SampleError::Protocol));
            }
            assert_eq!(error(&[&frame(3, &nested(letter, 1000))]), None);
        }
        // Side by side is not within.
        assert_eq!(error(&[&frame(1, &nested(b'A', 10).repeat(50))]), None);
        assert_eq!(error(&[&frame(1, &[b'A'; 8000])]), None);
    }
}
