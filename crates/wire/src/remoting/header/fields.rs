//! The macro that writes a header struct's reading and writing from its list of fields.
//!
//! A field's type says whether it is required: `Option<T>` may be absent, all others must be there.

use std::borrow::Cow;

use super::{FieldError, boolean, number, string};
use crate::remoting::command::Text;
use crate::remoting::reply::Value;

/// What a field of a header may be.
pub(super) trait Field<'h>: Sized {
    /// The value of the field `name`, from what the header has under this name.
    fn read(text: Option<Text<'h>>, name: &'static str) -> Result<Self, FieldError>;

    /// The value to write; `None` leaves the field out.
    fn write(&self) -> Option<Value<'_>>;
}

impl<'h> Field<'h> for Cow<'h, str> {
    fn read(text: Option<Text<'h>>, name: &'static str) -> Result<Self, FieldError> {
        string(text, name)
    }

    fn write(&self) -> Option<Value<'_>> {
        Some(Value::Text(Cow::Borrowed(self)))
    }
}

impl<'h> Field<'h> for i32 {
    fn read(text: Option<Text<'h>>, name: &'static str) -> Result<Self, FieldError> {
        number(text, name)
    }

    fn write(&self) -> Option<Value<'_>> {
        Some(Value::from(*self))
    }
}

impl<'h> Field<'h> for i64 {
    fn read(text: Option<Text<'h>>, name: &'static str) -> Result<Self, FieldError> {
        number(text, name)
    }

    fn write(&self) -> Option<Value<'_>> {
        Some(Value::from(*self))
    }
}

impl<'h> Field<'h> for bool {
    fn read(text: Option<Text<'h>>, name: &'static str) -> Result<Self, FieldError> {
        text.map(boolean).ok_or(FieldError::Missing(name))
    }

    fn write(&self) -> Option<Value<'_>> {
        Some(Value::from(*self))
    }
}

impl<'h, T: Field<'h>> Field<'h> for Option<T> {
    fn read(text: Option<Text<'h>>, name: &'static str) -> Result<Self, FieldError> {
        text.map(|text| T::read(Some(text), name)).transpose()
    }

    fn write(&self) -> Option<Value<'_>> {
        self.as_ref().and_then(T::write)
    }
}

/// Declares header structs: each field with its name on the wire. `decode` reads one from a parsed
/// header, `fields` gives what a [`Request`](crate::remoting::reply::Request) or
/// [`Response`](crate::remoting::reply::Response) writes.
macro_rules! headers {
    ($(
        $(#[$doc:meta])*
        pub struct $name:ident $(<$life:lifetime>)? {
            $($(#[$field_doc:meta])* $field:ident: $type:ty = $wire:literal,)+
        }
    )+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name $(<$life>)? {
            $($(#[$field_doc])* pub $field: $type,)+
        }

        impl $(<$life>)? $name $(<$life>)? {
            /// Reads the fields. An error names the one that is missing or malformed.
            pub fn decode(header: &$($life)? $crate::remoting::command::Header<'_>)
                -> Result<Self, $crate::remoting::header::FieldError> {
                Ok(Self { $($field: $crate::remoting::header::fields::Field::read(header.field($wire), $wire)?,)+ })
            }

            /// The fields to write. Absent ones are left out.
            pub fn fields(&self) -> Vec<(&'static str, $crate::remoting::reply::Value<'_>)> {
                let fields = [$(($wire, $crate::remoting::header::fields::Field::write(&self.$field)),)+];
                fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
            }
        }
    )+};
}

pub(super) use headers;
