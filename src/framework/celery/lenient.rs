//! JSON values that may have any form: one odd value does not spoil those beside it.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Value read from JSON of any form. Forms that it does not read count as its default.
pub(super) trait AnyForm<'de>: Default {
    /// Reads a string.
    fn of_text(_: Cow<'de, str>) -> Self {
        Self::default()
    }

    /// Reads an integer.
    fn of_integer(_: i64) -> Self {
        Self::default()
    }

    /// Reads any other number.
    fn of_float(_: f64) -> Self {
        Self::default()
    }

    /// Reads a list.
    ///
    /// # Errors
    /// An element that spoils the whole text.
    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::default())
    }
}

/// Reads a value of any form.
///
/// # Errors
/// The text is no JSON, or as [`AnyForm::of_list`].
pub(super) fn any<'de, D: Deserializer<'de>, T: AnyForm<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_any(AnyFormVisitor(PhantomData))
}

struct AnyFormVisitor<T>(PhantomData<T>);

impl<'de, T: AnyForm<'de>> Visitor<'de> for AnyFormVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<T, E> {
        Ok(T::of_text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok(T::of_text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<T, E> {
        Ok(T::of_integer(n))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<T, E> {
        Ok(i64::try_from(n).map_or_else(|_| T::of_float(n as f64), T::of_integer))
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<T, E> {
        Ok(T::of_float(n))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::of_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }
}

/// JSON string; any other value counts as an empty one.
#[derive(Default)]
pub(super) struct JsonText<'a>(Cow<'a, str>);

impl JsonText<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> AnyForm<'de> for JsonText<'de> {
    fn of_text(text: Cow<'de, str>) -> Self {
        Self(text)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        any::<_, JsonText<'de>>(deserializer)
    }
}

/// Value, if it has the expected form.
#[derive(Default)]
pub(super) struct Lenient<T>(pub(super) Option<T>);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(Self(serde_json::from_value(value).ok()))
    }
}
