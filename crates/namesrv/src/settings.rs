//! The few switches of the name server that may change while it runs.
//!
//! A change is a fact of the log, as a key of the namespace [`NAMESPACE`] in the key-value table, so it
//! survives a restart. An allow-list of typed keys: no key is a path, a class or an address (RELIABILITY.md
//! section 3.1 tells what became of deny-lists).

use model::record::system::System;

/// Where changed switches lie in the key-value table.
const NAMESPACE: &str = "NAMESRV_CONFIG";

/// The switches, under the names of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Answer lists of topics by cluster or flag.
    pub enable_topic_list: bool,
    /// Answer the list of all topics.
    pub enable_all_topic_list: bool,
    /// Send the order configuration of a topic with its route.
    pub order_message_enable: bool,
    /// Answer a broker's registration with all order configurations.
    pub return_order_topic_config_to_broker: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            enable_topic_list: true,
            enable_all_topic_list: true,
            order_message_enable: false,
            return_order_topic_config_to_broker: true,
        }
    }
}

/// Why a setting stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    #[error("{0} cannot be changed while the name server runs: set it in the configuration file and restart")]
    Fixed(String),
    #[error("{key} is true or false, not `{value}`")]
    NotABoolean { key: &'static str, value: String },
}

const KEYS: [&str; 4] =
    ["enableTopicList", "enableAllTopicList", "orderMessageEnable", "returnOrderTopicConfigToBroker"];

impl Settings {
    /// The facts that change the switches named in `changes`; none if one of them is refused.
    pub fn plan<'a>(changes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Vec<System>, SettingError> {
        let mut facts = Vec::new();
        for (key, value) in changes {
            let Some(key) = KEYS.into_iter().find(|known| *known == key) else {
                return Err(SettingError::Fixed(crate::name::shortened(key)));
            };
            if value.parse::<bool>().is_err() {
                return Err(SettingError::NotABoolean { key, value: crate::name::shortened(value) });
            }
            facts.push(System::KvChanged {
                namespace: NAMESPACE.to_owned(),
                key: key.to_owned(),
                value: Some(value.to_owned()),
            });
        }
        Ok(facts)
    }

    /// The switches as the key-value table has them: `get` answers by namespace and key. An absent or
    /// unreadable value means the default.
    #[must_use]
    pub fn read<'a>(get: impl Fn(&str, &str) -> Option<&'a str>) -> Settings {
        let value = |key: &str| get(NAMESPACE, key).and_then(|value| value.parse().ok());
        let default = Settings::default();
        let [lists, all_topics, order, to_broker] = KEYS.map(value);
        Settings {
            enable_topic_list: lists.unwrap_or(default.enable_topic_list),
            enable_all_topic_list: all_topics.unwrap_or(default.enable_all_topic_list),
            order_message_enable: order.unwrap_or(default.order_message_enable),
            return_order_topic_config_to_broker: to_broker.unwrap_or(default.return_order_topic_config_to_broker),
        }
    }

    /// Each switch with its value, in the order of the names.
    #[must_use]
    pub fn entries(&self) -> [(&'static str, bool); 4] {
        let values = [
            self.enable_topic_list,
            self.enable_all_topic_list,
            self.order_message_enable,
            self.return_order_topic_config_to_broker,
        ];
        std::array::from_fn(|i| (KEYS[i], values[i]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planned_change_is_read_back_and_an_unreadable_one_is_the_default() {
        let facts = Settings::plan([("enableTopicList", "false"), ("orderMessageEnable", "true")]).expect("known keys");
        let get = |namespace: &str, key: &str| {
            facts.iter().find_map(|fact| match fact {
                System::KvChanged { namespace: n, key: k, value } if n == namespace && k == key => value.as_deref(),
                _ => None,
            })
        };
        let settings = Settings::read(get);
        assert_eq!(settings, Settings { enable_topic_list: false, order_message_enable: true, ..Settings::default() });
        assert_eq!(settings.entries()[0], ("enableTopicList", false));
        assert_eq!(Settings::read(|_, _| Some("maybe")), Settings::default());
    }

    #[test]
    fn one_refused_key_refuses_all() {
        let refused = Settings::plan([("enableTopicList", "false"), ("kvConfigPath", "/etc/passwd")]);
        assert_eq!(refused, Err(SettingError::Fixed("kvConfigPath".to_owned())));
        let refused = Settings::plan([("enableTopicList", "maybe")]);
        assert_eq!(refused, Err(SettingError::NotABoolean { key: "enableTopicList", value: "maybe".to_owned() }));
    }
}
