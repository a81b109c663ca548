//! Metric math: numbers, ids, `+ - * / ^`, comparisons, parentheses, lists, and the functions ABS, AVG, FILL, IF, MAX, MIN,
//! PERIOD and SUM. Anything else is refused.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>
//!
//! Between two series, only moments that both have yield a datapoint; a division by zero yields none. FILL fills every
//! period of the request that has begun, also of a metric without any datapoint.

use std::collections::BTreeMap;

/// Values by moment, in seconds since 1970.
pub(crate) type Series = BTreeMap<i64, f64>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Scalar(f64),
    Series(Series),
    List(Vec<Series>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Number(f64),
    Id(String),
    /// What FILL may be told instead of a number.
    Word(String),
    Negative(Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    List(Vec<Expr>),
    Call(String, Vec<Expr>),
}

/// Where an expression is evaluated.
pub(crate) struct Grid {
    /// Beginnings of the periods of the request, those that have begun.
    pub moments: Vec<i64>,
    pub period: i64,
}

/// Longer ones first.
const OPERATORS: [&str; 16] = [
    "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "^", "(", ")", ",", "[", "]",
];

fn strength(operator: &str) -> Option<u8> {
    Some(match operator {
        "==" | "!=" | "<=" | ">=" | "<" | ">" => 1,
        "+" | "-" => 2,
        "*" | "/" => 3,
        "^" => 4,
        _ => return None,
    })
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    Name(String),
    Operator(&'static str),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = if let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
            found.push(Token::Operator(operator));
            operator.len()
        } else if first.is_ascii_digit() || first == '.' {
            let length = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len());
            let number = &rest[..length];
            found.push(Token::Number(
                number.parse().map_err(|_| format!("{number} is no number"))?,
            ));
            length
        } else if first.is_ascii_alphabetic() {
            let length = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            found.push(Token::Name(rest[..length].to_owned()));
            length
        } else {
            return Err(format!("unexpected {first:?}"));
        };
        rest = rest[taken..].trim_start();
    }
    Ok(found)
}

pub(crate) fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        depth: 0,
    };
    let expr = parser.expression(0)?;
    if parser.next < parser.tokens.len() {
        return Err("something is left over at its end".to_owned());
    }
    Ok(expr)
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    depth: u32,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self, operator: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Operator(it)) if *it == operator);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, operator: &str) -> Result<(), String> {
        if self.take(operator) {
            Ok(())
        } else {
            Err(format!("{operator:?} is missing"))
        }
    }

    fn expression(&mut self, at_least: u8) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > 50 {
            return Err("it is too deep".to_owned());
        }
        let mut left = self.operand()?;
        while let Some(Token::Operator(operator)) = self.peek() {
            let operator = *operator;
            let Some(strong) = strength(operator).filter(|strong| *strong > at_least) else {
                break;
            };
            self.next += 1;
            let right = self.expression(strong)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expr, String> {
        if self.take("-") {
            return Ok(Expr::Negative(Box::new(self.expression(3)?)));
        }
        if self.take("(") {
            let inner = self.expression(0)?;
            self.expect(")")?;
            return Ok(inner);
        }
        if self.take("[") {
            return Ok(Expr::List(self.arguments("]")?));
        }
        let token = self.peek().cloned();
        self.next += 1;
        match token {
            Some(Token::Number(number)) => Ok(Expr::Number(number)),
            Some(Token::Name(name)) if self.take("(") => Ok(Expr::Call(name, self.arguments(")")?)),
            Some(Token::Name(name)) if name.starts_with(|c: char| c.is_ascii_lowercase()) => Ok(Expr::Id(name)),
            Some(Token::Name(name)) => Ok(Expr::Word(name)),
            Some(Token::Operator(operator)) => Err(format!("unexpected {operator:?}")),
            None => Err("it ends too early".to_owned()),
        }
    }

    fn arguments(&mut self, close: &str) -> Result<Vec<Expr>, String> {
        let mut arguments = Vec::new();
        while !self.take(close) {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(self.expression(0)?);
        }
        Ok(arguments)
    }
}

impl Expr {
    /// Every id that it names.
    pub(crate) fn ids(&self, into: &mut Vec<String>) {
        match self {
            Self::Number(_) | Self::Word(_) => {}
            Self::Id(id) => into.push(id.clone()),
            Self::Negative(inner) => inner.ids(into),
            Self::Binary(_, left, right) => {
                left.ids(into);
                right.ids(into);
            }
            Self::List(items) | Self::Call(_, items) => items.iter().for_each(|item| item.ids(into)),
        }
    }

    /// `values`: what each id that it names stands for.
    pub(crate) fn evaluate(&self, values: &BTreeMap<String, Value>, grid: &Grid) -> Result<Value, String> {
        match self {
            Self::Number(number) => Ok(Value::Scalar(*number)),
            Self::Word(word) => Err(format!("{word} means nothing here")),
            Self::Id(id) => values
                .get(id)
                .cloned()
                .ok_or_else(|| format!("Undefined variable '{id}'")),
            Self::Negative(inner) => both("-", &Value::Scalar(0.0), &inner.evaluate(values, grid)?),
            Self::Binary(operator, left, right) => {
                both(operator, &left.evaluate(values, grid)?, &right.evaluate(values, grid)?)
            }
            Self::List(items) => Ok(Value::List(
                items
                    .iter()
                    .map(|item| series_of(item.evaluate(values, grid)?))
                    .collect::<Result<_, _>>()?,
            )),
            Self::Call(name, arguments) => call(name, arguments, values, grid),
        }
    }
}

fn series_of(value: Value) -> Result<Series, String> {
    match value {
        Value::Series(series) => Ok(series),
        _ => Err("a time series is expected".to_owned()),
    }
}

fn apply(operator: &str, left: f64, right: f64) -> Option<f64> {
    let truth = |yes| if yes { 1.0 } else { 0.0 };
    let value = match operator {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" => left / right,
        "^" => left.powf(right),
        "<" => truth(left < right),
        ">" => truth(left > right),
        "<=" => truth(left <= right),
        ">=" => truth(left >= right),
        "==" => truth((left - right).abs() == 0.0),
        "!=" => truth((left - right).abs() != 0.0),
        _ => return None,
    };
    value.is_finite().then_some(value)
}

fn both(operator: &str, left: &Value, right: &Value) -> Result<Value, String> {
    let each = |series: &Series, value: &dyn Fn(i64, f64) -> Option<f64>| {
        let found = series.iter().filter_map(|(at, it)| Some((*at, value(*at, *it)?)));
        Value::Series(found.collect())
    };
    Ok(match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            Value::Scalar(apply(operator, *left, *right).ok_or("it divides by zero")?)
        }
        (Value::Scalar(left), Value::Series(right)) => each(right, &|_, right| apply(operator, *left, right)),
        (Value::Series(left), Value::Scalar(right)) => each(left, &|_, left| apply(operator, left, *right)),
        (Value::Series(left), Value::Series(right)) => each(left, &|at, left| apply(operator, left, *right.get(&at)?)),
        _ => return Err(format!("{operator} of a list is not known here")),
    })
}

fn call(name: &str, arguments: &[Expr], values: &BTreeMap<String, Value>, grid: &Grid) -> Result<Value, String> {
    let value = |index: usize| -> Result<Value, String> {
        arguments
            .get(index)
            .ok_or_else(|| format!("{name} has too few arguments"))?
            .evaluate(values, grid)
    };
    match (name, arguments) {
        ("PERIOD", [_]) => Ok(Value::Scalar(f64::from(u32::try_from(grid.period).unwrap_or_default()))),
        ("ABS", [_]) => Ok(match value(0)? {
            Value::Scalar(number) => Value::Scalar(number.abs()),
            Value::Series(series) => Value::Series(series.into_iter().map(|(at, it)| (at, it.abs())).collect()),
            Value::List(_) => return Err("ABS of a list is not known here".to_owned()),
        }),
        ("FILL", [_, with]) => Ok(Value::Series(fill(&series_of(value(0)?)?, with, values, grid)?)),
        ("IF", [_, _] | [_, _, _]) => choose(&series_of(value(0)?)?, &value(1)?, arguments.get(2).map(|_| value(2))),
        ("SUM" | "AVG" | "MIN" | "MAX", [_]) => match value(0)? {
            Value::List(list) => Ok(Value::Series(across(name, &list))),
            Value::Series(series) => {
                let all: Vec<f64> = series.into_values().collect();
                fold(name, &all)
                    .map(Value::Scalar)
                    .ok_or_else(|| format!("{name} of nothing"))
            }
            Value::Scalar(_) => Err(format!("{name} of a number")),
        },
        _ => Err(format!(
            "Unsupported function or number of arguments: {name} ({})",
            arguments.len()
        )),
    }
}

fn fold(name: &str, values: &[f64]) -> Option<f64> {
    let count = f64::from(u32::try_from(values.len()).ok().filter(|count| *count > 0)?);
    Some(match name {
        "MIN" => values.iter().copied().fold(f64::INFINITY, f64::min),
        "MAX" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "AVG" => values.iter().sum::<f64>() / count,
        _ => values.iter().sum(),
    })
}

/// Over several series, at every moment that any of them has.
fn across(name: &str, list: &[Series]) -> Series {
    let mut at_once: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    for (at, value) in list.iter().flatten() {
        at_once.entry(*at).or_default().push(*value);
    }
    at_once
        .into_iter()
        .filter_map(|(at, values)| Some((at, fold(name, &values)?)))
        .collect()
}

fn fill(series: &Series, with: &Expr, values: &BTreeMap<String, Value>, grid: &Grid) -> Result<Series, String> {
    let mut filled = Series::new();
    for at in &grid.moments {
        let value = match (series.get(at), with) {
            (Some(value), _) => Some(*value),
            (None, Expr::Word(word)) if word == "REPEAT" => series.range(..at).next_back().map(|(_, value)| *value),
            (None, Expr::Word(word)) => return Err(format!("FILL with {word} is not known here")),
            (None, other) => match other.evaluate(values, grid)? {
                Value::Scalar(number) => Some(number),
                Value::Series(other) => other.get(at).copied(),
                Value::List(_) => return Err("FILL with a list".to_owned()),
            },
        };
        filled.extend(value.map(|value| (*at, value)));
    }
    Ok(filled)
}

fn choose(condition: &Series, yes: &Value, no: Option<Result<Value, String>>) -> Result<Value, String> {
    let no = no.transpose()?;
    let at = |value: &Value, moment: &i64| match value {
        Value::Scalar(number) => Some(*number),
        Value::Series(series) => series.get(moment).copied(),
        Value::List(_) => None,
    };
    let chosen = condition.iter().filter_map(|(moment, truth)| {
        let value = if *truth != 0.0 {
            at(yes, moment)
        } else {
            at(no.as_ref()?, moment)
        };
        Some((*moment, value?))
    });
    Ok(Value::Series(chosen.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: &[(i64, f64)]) -> Series {
        points.iter().copied().collect()
    }

    /// `errors` at 0 and 60, `requests` at 0, 60 (none) and 120; four periods have begun.
    fn value(text: &str) -> Result<Value, String> {
        let values = BTreeMap::from([
            ("errors".to_owned(), Value::Series(series(&[(0, 3.0), (60, 1.0)]))),
            (
                "requests".to_owned(),
                Value::Series(series(&[(0, 200.0), (60, 0.0), (120, 50.0)])),
            ),
        ]);
        let grid = Grid {
            moments: vec![0, 60, 120, 180],
            period: 60,
        };
        parse(text)?.evaluate(&values, &grid)
    }

    #[test]
    fn operators_bind_as_in_arithmetic() {
        for (text, expected) in [
            ("1 + 2 * 3", 7.0),
            ("(1 + 2) * 3", 9.0),
            ("10 - 3 - 2", 5.0),
            ("-2 ^ 2 + .5", -3.5),
            ("8 / 4 / 2", 1.0),
            ("1 + 1 == 2", 1.0),
        ] {
            assert_eq!(value(text), Ok(Value::Scalar(expected)), "{text}");
        }
    }

    #[test]
    fn a_datapoint_needs_both_series_and_no_division_by_zero() {
        let rate = value("100 * errors / requests").unwrap();
        assert_eq!(rate, Value::Series(series(&[(0, 1.5)])));
    }

    #[test]
    fn gaps_are_filled_as_told() {
        for (text, expected) in [
            ("FILL(errors, 0)", [3.0, 1.0, 0.0, 0.0]),
            ("FILL(errors, REPEAT)", [3.0, 1.0, 1.0, 1.0]),
        ] {
            let Ok(Value::Series(filled)) = value(text) else {
                panic!("{text}");
            };
            assert_eq!(filled.into_values().collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn a_condition_chooses_by_moment() {
        let rate = value("IF(requests > 0, 100 * FILL(errors, 0) / requests, 0)").unwrap();
        assert_eq!(rate, Value::Series(series(&[(0, 1.5), (60, 0.0), (120, 0.0)])));
    }

    #[test]
    fn several_series_are_summed_moment_by_moment() {
        let all = value("SUM([errors, requests])").unwrap();
        assert_eq!(all, Value::Series(series(&[(0, 203.0), (60, 1.0), (120, 50.0)])));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in [
            "errors +",
            "errors errors",
            "RATE(errors)",
            "missing + 1",
            "(errors",
            "errors; 1",
            "FILL(errors, LINEAR)",
            "1 / 0",
        ] {
            assert!(value(text).is_err(), "{text}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
    }
}
