//! The key-value table (100 to 102, 219) and the switches of the name server (318, 319).

use namesrv::{KvError, SettingError, Settings, plan_delete, plan_put};
use wire::remoting::body::kv::KvTable;
use wire::remoting::code::ResponseCode;
use wire::remoting::header::namesrv::{DeleteKvConfig, GetKvConfig, GetKvConfigAnswer, GetKvList, PutKvConfig};

use super::{Answer, Asked, Refusal};

pub(super) fn put_kv(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = PutKvConfig::decode(asked.header)?;
    let keys = asked.kv.lock().list(&request.namespace).map_or(0, |table| table.len());
    Ok(Answer::facts(vec![plan_put(&request.namespace, &request.key, &request.value, keys)?]))
}

pub(super) fn get_kv(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = GetKvConfig::decode(asked.header)?;
    let kv = asked.kv.lock();
    let Some(value) = kv.get(&request.namespace, &request.key) else {
        let remark = format!("No config item, Namespace: {} Key: {}", request.namespace, request.key);
        return Err(Refusal::new(ResponseCode::QUERY_NOT_FOUND, remark));
    };
    Ok(Answer::fields(GetKvConfigAnswer { value: Some(value.into()) }.fields()))
}

/// Deleting what is not there is a success, and no fact.
pub(super) fn delete_kv(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = DeleteKvConfig::decode(asked.header)?;
    let known = asked.kv.lock().get(&request.namespace, &request.key).is_some();
    let fact = known.then(|| plan_delete(&request.namespace, &request.key));
    Ok(Answer::facts(fact.into_iter().collect()))
}

pub(super) fn list_kv(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let request = GetKvList::decode(asked.header)?;
    let Some(table) = asked.kv.lock().list(&request.namespace) else {
        let remark = format!("No config item, Namespace: {}", request.namespace);
        return Err(Refusal::new(ResponseCode::QUERY_NOT_FOUND, remark));
    };
    Ok(Answer::body(KvTable { table }.to_json()))
}

/// The body is a Java properties text: `key=value` lines, `#` comments.
pub(super) fn update_settings(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let Ok(text) = std::str::from_utf8(asked.body) else {
        return Err(Refusal::new(ResponseCode::SYSTEM_ERROR, "the settings are not utf-8"));
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    let pairs = lines.map(|line| line.split_once('=').unwrap_or((line, "")));
    Ok(Answer::facts(Settings::plan(pairs.map(|(key, value)| (key.trim(), value.trim())))?))
}

pub(super) fn get_settings(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let lines = asked.settings().entries().map(|(key, value)| format!("{key}={value}\n"));
    Ok(Answer::body(lines.concat().into_bytes()))
}

impl From<KvError> for Refusal {
    fn from(error: KvError) -> Refusal {
        match &error {
            KvError::Length { .. } => Refusal::new(ResponseCode::INVALID_PARAMETER, error),
            KvError::Full => Refusal::new(ResponseCode::SYSTEM_ERROR, error),
        }
    }
}

impl From<SettingError> for Refusal {
    fn from(error: SettingError) -> Refusal {
        match &error {
            SettingError::Fixed(_) => Refusal::new(ResponseCode::NO_PERMISSION, error),
            SettingError::NotABoolean { .. } => Refusal::new(ResponseCode::INVALID_PARAMETER, error),
        }
    }
}
