//! The grammar of libavutil's eval.c: `+ -` over `* /` over signs over `^`, functions, variables,
//! and numbers with SI suffixes.

use super::{ExpressionError, FUNCTIONS, Node};

/// As deep as ffmpeg goes.
const DEPTH_MAX: usize = 100;
/// More than anybody writes; a tree of so many nodes can be walked without fear for the stack.
const NODES_MAX: usize = 1000;

pub(super) fn parse(text: &str, variables: &[&str]) -> Result<Node, ExpressionError> {
    // Spaces mean nothing, not even within a name.
    let text: Vec<char> = text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\n' | '\r')).collect();
    let mut parser = Parser { text: &text, at: 0, variables, depth: 0, nodes: 0 };
    let node = parser.sum()?;
    if parser.at < text.len() { Err(parser.syntax()) } else { Ok(node) }
}

struct Parser<'a> {
    text: &'a [char],
    at: usize,
    variables: &'a [&'a str],
    depth: usize,
    nodes: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn syntax(&self) -> ExpressionError {
        ExpressionError::Syntax(self.text[self.at.min(self.text.len())..].iter().collect())
    }

    fn spend(&mut self) -> Result<(), ExpressionError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX { Err(ExpressionError::Deep) } else { Ok(()) }
    }

    fn sum(&mut self) -> Result<Node, ExpressionError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ExpressionError::Deep);
        }
        let mut left = self.product()?;
        while let Some(operator @ ('+' | '-')) = self.peek() {
            self.at += 1;
            self.spend()?;
            left = Node::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn product(&mut self) -> Result<Node, ExpressionError> {
        let mut left = self.factor()?;
        while let Some(operator @ ('*' | '/')) = self.peek() {
            self.at += 1;
            self.spend()?;
            left = Node::Binary(operator, Box::new(left), Box::new(self.factor()?));
        }
        Ok(left)
    }

    /// A sign binds less than `^`: `-2^2` is -4.
    fn factor(&mut self) -> Result<Node, ExpressionError> {
        let negative = self.sign();
        let mut left = self.primary()?;
        while self.take('^') {
            self.spend()?;
            let negative = self.sign();
            let power = signed(negative, self.primary()?);
            left = Node::Binary('^', Box::new(left), Box::new(power));
        }
        Ok(signed(negative, left))
    }

    fn sign(&mut self) -> bool {
        let negative = self.peek() == Some('-');
        if matches!(self.peek(), Some('+' | '-')) {
            self.at += 1;
        }
        negative
    }

    fn primary(&mut self) -> Result<Node, ExpressionError> {
        self.spend()?;
        if let Some(number) = self.number() {
            return Ok(Node::Number(number));
        }
        if self.take('(') {
            let node = self.sum()?;
            return if self.take(')') { Ok(node) } else { Err(self.syntax()) };
        }
        let name = self.name();
        if name.is_empty() {
            return Err(self.syntax());
        }
        if self.take('(') {
            return self.call(&name);
        }
        match name.as_str() {
            "PI" => Ok(Node::Number(std::f64::consts::PI)),
            "E" => Ok(Node::Number(std::f64::consts::E)),
            "PHI" => Ok(Node::Number((1.0 + 5f64.sqrt()) / 2.0)),
            _ if self.variables.contains(&name.as_str()) => Ok(Node::Variable(name)),
            _ => Err(ExpressionError::Unknown(name)),
        }
    }

    fn name(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }

    fn call(&mut self, name: &str) -> Result<Node, ExpressionError> {
        let function = FUNCTIONS.iter().find(|function| function.name == name);
        let function = function.ok_or_else(|| ExpressionError::Unknown(name.to_owned()))?;
        let mut arguments = vec![self.sum()?];
        while self.take(',') {
            arguments.push(self.sum()?);
        }
        if !self.take(')') {
            return Err(self.syntax());
        }
        if arguments.len() < function.least || arguments.len() > function.most {
            return Err(ExpressionError::Arguments(name.to_owned()));
        }
        Ok(Node::Call(function, arguments))
    }

    /// A number as `av_strtod` reads it, its own sign included.
    fn number(&mut self) -> Option<f64> {
        let start = self.at;
        let mut at = start;
        let text = self.text;
        let digit = |at: usize| text.get(at).is_some_and(char::is_ascii_digit);
        let sign = matches!(text.get(at), Some('+' | '-'));
        at += usize::from(sign);
        let hexadecimal = text.get(at) == Some(&'0') && text.get(at + 1) == Some(&'x');
        let value = if hexadecimal {
            let from = at + 2;
            let is_digit = |at: usize| text.get(at).is_some_and(char::is_ascii_hexdigit);
            at = (from..).find(|at| !is_digit(*at))?;
            let digits: String = text[from..at].iter().collect();
            let value = u64::from_str_radix(&digits, 16).ok()? as f64;
            if text[start] == '-' { -value } else { value }
        } else {
            let from = at;
            at = (at..).find(|at| !digit(*at))?;
            if text.get(at) == Some(&'.') {
                at = (at + 1..).find(|at| !digit(*at))?;
            }
            if !text[from..at].iter().any(char::is_ascii_digit) {
                return None;
            }
            if matches!(text.get(at), Some('e' | 'E')) {
                let signed = matches!(text.get(at + 1), Some('+' | '-'));
                let from = at + 1 + usize::from(signed);
                if digit(from) {
                    at = (from..).find(|at| !digit(*at))?;
                }
            }
            text[start..at].iter().collect::<String>().parse().ok()?
        };
        self.at = at;
        Some(self.suffixed(value))
    }

    fn suffixed(&mut self, value: f64) -> f64 {
        if self.text[self.at..].starts_with(&['d', 'B']) {
            self.at += 2;
            return 10f64.powf(value / 20.0);
        }
        let power = match self.peek() {
            Some('n') => Some(-9),
            Some('u') => Some(-6),
            Some('m') => Some(-3),
            Some('c') => Some(-2),
            Some('d') => Some(-1),
            Some('h') => Some(2),
            Some('k' | 'K') => Some(3),
            Some('M') => Some(6),
            Some('G') => Some(9),
            Some('T') => Some(12),
            _ => None,
        };
        let mut value = value;
        if let Some(power) = power {
            self.at += 1;
            let binary = power > 2 && self.take('i');
            value *= if binary { 1024f64.powi(power / 3) } else { 10f64.powi(power) };
        }
        if self.take('B') { value * 8.0 } else { value }
    }
}

fn signed(negative: bool, node: Node) -> Node {
    if negative { Node::Negative(Box::new(node)) } else { node }
}
