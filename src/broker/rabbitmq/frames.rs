//! The frames of AMQP in the bytes that arrive, looked at before the client library parses them. Pure.
//!
//! The library recurses into tables within tables: a few kilobytes of them would end the process with a stack overflow.
#![deny(clippy::disallowed_methods)]

use crate::work::SampleError;

/// The largest frame we accept, in bytes: the smallest limit that RabbitMQ 4.1 and later agree to. Larger messages come
/// in several frames. The client library keeps two buffers of 32 frames for each connection.
pub(super) const FRAME_MAX: u32 = 8192;

/// Type, channel and size before a frame's payload, and the end octet after it.
const OVERHEAD: u32 = 8;

/// Tables and arrays within each other at most; RabbitMQ and Celery send three.
const DEPTH_MAX: usize = 16;

/// The frame types of AMQP 0-9-1 (4.2.3).
mod kind {
    pub(super) const METHOD: u8 = 1;
    pub(super) const HEADER: u8 = 2;
    pub(super) const BODY: u8 = 3;
    pub(super) const HEARTBEAT: u8 = 8;
}

/// Follows the frames: type, channel, size, payload, end octet.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The bytes of a header seen so far.
    header: [u8; 7],
    have: usize,
    /// Bytes of payload and end octet still to come.
    rest: usize,
    /// The payload of a frame that is parsed, as far as it is there.
    payload: Vec<u8>,
}

impl Frames {
    /// Lets bytes pass.
    ///
    /// # Errors
    /// [`SampleError::Protocol`]: not AMQP, or tables too deep; [`SampleError::TooLarge`]: a frame beyond [`FRAME_MAX`].
    pub(super) fn pass(&mut self, mut bytes: &[u8]) -> Result<(), SampleError> {
        while let Some((first, others)) = bytes.split_first() {
            if self.rest > 0 {
                let (here, later) = bytes.split_at_checked(self.rest).unwrap_or((bytes, &[]));
                self.payload(here)?;
                bytes = later;
                continue;
            }
            if let Some(place) = self.header.get_mut(self.have) {
                *place = *first;
                self.have += 1;
            }
            bytes = others;
            self.header()?;
        }
        Ok(())
    }

    /// Looks at the header as far as it is there.
    fn header(&mut self) -> Result<(), SampleError> {
        let [kind, _, _, size @ ..] = self.header;
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
        }
        Ok(())
    }

    /// Takes a part of a payload in; looks at the whole when it is complete.
    fn payload(&mut self, bytes: &[u8]) -> Result<(), SampleError> {
        let [kind, ..] = self.header;
        let is_parsed = matches!(kind, kind::METHOD | kind::HEADER);
        if is_parsed {
            self.payload.extend_from_slice(bytes);
        }
        self.rest -= bytes.len();
        if is_parsed && self.rest == 0 {
            let shallow = is_shallow(&self.payload);
            self.payload.clear();
            return if shallow { Ok(()) } else { Err(SampleError::Protocol) };
        }
        Ok(())
    }
}

/// Whether no tables (`F`) and arrays (`A`) lie too deep within each other. Every such letter with a size behind it that
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
        bytes.iter().find_map(|bytes| frames.pass(bytes).err())
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
