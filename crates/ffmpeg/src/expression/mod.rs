//! ffmpeg's arithmetic: sizes, crops and keyframe rules are given as expressions.
//!
//! They are kept and evaluated rather than recognised by their spelling, so that any expression
//! that ffmpeg would work out gives the same size here. Functions with side effects or chance
//! (`random`, `st`, `print`, ...) and loops are not taken: a line with one is not understood.

mod parse;

use std::fmt;

use serde::{Serialize, Serializer};

/// An expression that was understood.
#[derive(Clone, Debug)]
pub struct Expression {
    text: String,
    root: Node,
}

/// Why an expression cannot be worked out here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpressionError {
    /// Not of the grammar.
    #[error("cannot be read from `{0}` on")]
    Syntax(String),
    /// Neither a variable of the option nor a function that has no side effects.
    #[error("`{0}` is neither known here as a variable nor as a function")]
    Unknown(String),
    /// A function with too few or too many arguments.
    #[error("`{0}` has the wrong number of arguments")]
    Arguments(String),
    /// Parentheses within parentheses, without end.
    #[error("it is nested too deeply")]
    Deep,
}

#[derive(Clone, Debug)]
enum Node {
    Number(f64),
    Variable(String),
    Negative(Box<Node>),
    Binary(char, Box<Node>, Box<Node>),
    Call(&'static Function, Vec<Node>),
}

/// A function and how many arguments it may have.
#[derive(Debug)]
struct Function {
    name: &'static str,
    least: usize,
    most: usize,
    value: fn(&[f64]) -> f64,
}

impl Expression {
    /// Reads an expression that may use `variables`.
    pub fn parse(text: &str, variables: &[&str]) -> Result<Expression, ExpressionError> {
        let root = parse::parse(text, variables)?;
        Ok(Expression { text: text.to_owned(), root })
    }

    /// Its value; `variable` says what a variable is.
    pub fn value(&self, variable: &dyn Fn(&str) -> f64) -> f64 {
        self.root.value(variable)
    }

    /// Whether it depends on a variable.
    pub fn uses(&self, variable: &str) -> bool {
        self.root.uses(variable)
    }

    /// Its value if it depends on nothing.
    pub fn constant(text: &str) -> Option<f64> {
        Expression::parse(text, &[]).ok().map(|expression| expression.value(&|_| f64::NAN))
    }
}

impl Node {
    fn value(&self, variable: &dyn Fn(&str) -> f64) -> f64 {
        match self {
            Node::Number(number) => *number,
            Node::Variable(name) => variable(name),
            Node::Negative(node) => -node.value(variable),
            Node::Binary(operator, left, right) => {
                let (left, right) = (left.value(variable), right.value(variable));
                match operator {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    '/' => left / right,
                    _ => left.powf(right),
                }
            }
            Node::Call(function, arguments) => {
                let values: Vec<f64> = arguments.iter().map(|node| node.value(variable)).collect();
                (function.value)(&values)
            }
        }
    }

    fn uses(&self, wanted: &str) -> bool {
        match self {
            Node::Number(_) => false,
            Node::Variable(name) => name == wanted,
            Node::Negative(node) => node.uses(wanted),
            Node::Binary(_, left, right) => left.uses(wanted) || right.uses(wanted),
            Node::Call(_, arguments) => arguments.iter().any(|node| node.uses(wanted)),
        }
    }
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

fn gcd(a: f64, b: f64) -> f64 {
    let (mut a, mut b) = (a.abs().trunc(), b.abs().trunc());
    while b >= 1.0 {
        (a, b) = (b, a % b);
    }
    a
}

/// What libavutil's eval.c has and that depends on its arguments alone. All arguments are worked
/// out first: without side effects it makes no difference which branch of an `if` was.
static FUNCTIONS: &[Function] = &[
    Function { name: "abs", least: 1, most: 1, value: |v| v[0].abs() },
    Function { name: "between", least: 3, most: 3, value: |v| truth(v[0] >= v[1] && v[0] <= v[2]) },
    Function { name: "ceil", least: 1, most: 1, value: |v| v[0].ceil() },
    Function {
        name: "clip",
        least: 3,
        most: 3,
        // Written out, as `clamp` panics where the bounds are the wrong way round.
        value: |v| if v[1] > v[2] { f64::NAN } else { v[0].max(v[1]).min(v[2]) },
    },
    Function { name: "eq", least: 2, most: 2, value: |v| truth(v[0] == v[1]) },
    Function { name: "exp", least: 1, most: 1, value: |v| v[0].exp() },
    Function { name: "floor", least: 1, most: 1, value: |v| v[0].floor() },
    Function { name: "gcd", least: 2, most: 2, value: |v| gcd(v[0], v[1]) },
    Function { name: "gt", least: 2, most: 2, value: |v| truth(v[0] > v[1]) },
    Function { name: "gte", least: 2, most: 2, value: |v| truth(v[0] >= v[1]) },
    Function { name: "hypot", least: 2, most: 2, value: |v| v[0].hypot(v[1]) },
    Function {
        name: "if",
        least: 2,
        most: 3,
        value: |v| if v[0] != 0.0 { v[1] } else { v.get(2).copied().unwrap_or(0.0) },
    },
    Function {
        name: "ifnot",
        least: 2,
        most: 3,
        value: |v| if v[0] == 0.0 { v[1] } else { v.get(2).copied().unwrap_or(0.0) },
    },
    Function { name: "isinf", least: 1, most: 1, value: |v| truth(v[0].is_infinite()) },
    Function { name: "isnan", least: 1, most: 1, value: |v| truth(v[0].is_nan()) },
    Function { name: "log", least: 1, most: 1, value: |v| v[0].ln() },
    Function { name: "lt", least: 2, most: 2, value: |v| truth(v[0] < v[1]) },
    Function { name: "lte", least: 2, most: 2, value: |v| truth(v[0] <= v[1]) },
    // As written in C, which differs from Rust's where one is not a number.
    Function { name: "max", least: 2, most: 2, value: |v| if v[0] > v[1] { v[0] } else { v[1] } },
    Function { name: "min", least: 2, most: 2, value: |v| if v[0] < v[1] { v[0] } else { v[1] } },
    Function { name: "mod", least: 2, most: 2, value: |v| v[0] - (v[0] / v[1]).floor() * v[1] },
    Function { name: "not", least: 1, most: 1, value: |v| truth(v[0] == 0.0) },
    Function { name: "pow", least: 2, most: 2, value: |v| v[0].powf(v[1]) },
    Function { name: "round", least: 1, most: 1, value: |v| v[0].round() },
    Function {
        name: "sgn",
        least: 1,
        most: 1,
        value: |v| if v[0] == 0.0 { 0.0 } else { v[0].signum() },
    },
    Function { name: "sqrt", least: 1, most: 1, value: |v| v[0].sqrt() },
    Function { name: "trunc", least: 1, most: 1, value: |v| v[0].trunc() },
];

/// Two expressions are the same if they are written alike.
impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> f64 {
        let variables = |name: &str| if name == "iw" { 1920.0 } else { 1080.0 };
        Expression::parse(text, &["iw", "ih"]).unwrap().value(&variables)
    }

    #[test]
    fn arithmetic_is_ffmpegs() {
        for (text, expected) in [
            ("1+2*3", 7.0),
            ("-2^2", -4.0),
            ("2^3^2", 64.0),
            ("(1+2)*3", 9.0),
            ("6M", 6_000_000.0),
            ("2Ki", 2048.0),
            ("0x10", 16.0),
            ("1.5k", 1500.0),
            ("trunc(min(max(iw,ih*2),1280)/2)*2", 1280.0),
            ("if(gt(iw,ih),1,2)", 1.0),
            ("mod(-1,3)", 2.0),
            ("ih - min (ih, 5)", 1075.0),
            ("2--3", 5.0),
            ("1e3", 1000.0),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_and_nothing_panics() {
        for text in ["", "1+", "random(0)", "foo", "min(1)", "(1", "1)", "clip(1,3,2)x", "1;2"] {
            assert!(Expression::parse(text, &[]).is_err(), "{text}");
        }
        let deep = "(".repeat(10_000) + "1" + &")".repeat(10_000);
        assert_eq!(Expression::parse(&deep, &[]).unwrap_err(), ExpressionError::Deep);
        assert!(Expression::constant("clip(1,3,2)").unwrap().is_nan());
    }
}
