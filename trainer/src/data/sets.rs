//! The data sets: a recipe's `dataset`, what each is called, its classes, and how its files are read. A further one is
//! one variant here.

use super::mnist::{self, FASHION_FILES, FILES};
use super::{DataError, Dataset, cifar10};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A data set with ten classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataSet {
    /// Handwritten digits, 28 x 28, grey.
    #[default]
    Mnist,
    /// Clothing, 28 x 28, grey.
    FashionMnist,
    /// Small photographs, 32 x 32, colour.
    Cifar10,
}

/// An id that is no data set's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("no data set is called `{got}`; accepted are mnist, fashion-mnist and cifar10")]
pub struct UnknownDataSet {
    got: String,
}

/// Both sets of a data set, and what its files are.
pub struct Loaded {
    /// The training set.
    pub train: Dataset,
    /// The test set.
    pub test: Dataset,
    /// The training data in words, for a run's facts.
    pub description: String,
}

impl DataSet {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mnist, Self::FashionMnist, Self::Cifar10];

    /// Whether this is what a recipe without the key means.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Its id in recipes and in the manifest.
    pub fn id(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
        }
    }

    /// Its name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST",
            Self::FashionMnist => "Fashion-MNIST",
            Self::Cifar10 => "CIFAR-10",
        }
    }

    /// Whose it is, and its licence.
    pub fn credit(self) -> &'static str {
        match self {
            Self::Mnist => "LeCun, Cortes, Burges; CC BY-SA 3.0",
            Self::FashionMnist => "Xiao, Rasul, Vollgraf (arXiv 1708.07747), Zalando SE; MIT",
            Self::Cifar10 => "Krizhevsky 2009",
        }
    }

    /// The names of its ten classes.
    pub fn classes(self) -> [&'static str; 10] {
        match self {
            Self::Mnist => ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
            Self::FashionMnist => [
                "T-shirt", "Trousers", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
                "Boot",
            ],
            Self::Cifar10 => {
                ["Airplane", "Car", "Bird", "Cat", "Deer", "Dog", "Frog", "Horse", "Ship", "Truck"]
            }
        }
    }

    /// The folder where `data` puts it and everything else looks for it.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Mnist => "data/mnist",
            Self::FashionMnist => "data/fashion-mnist",
            Self::Cifar10 => "data/cifar10",
        }
    }

    /// The judge that ships for it, if there is one.
    pub fn judge(self) -> Option<&'static str> {
        match self {
            Self::Mnist => Some("trainer/judge/mnist-classifier.safetensors"),
            Self::FashionMnist => Some("trainer/judge/fashion-classifier.safetensors"),
            Self::Cifar10 => None,
        }
    }

    /// Its four IDX files, if it comes as such.
    pub fn idx_files(self) -> Option<&'static [mnist::File; 4]> {
        match self {
            Self::Mnist => Some(&FILES),
            Self::FashionMnist => Some(&FASHION_FILES),
            Self::Cifar10 => None,
        }
    }

    /// Reads both sets from a folder; other data of the same layout is read too, and `warn` hears of it.
    ///
    /// # Errors
    /// A file that is missing, damaged or of another format.
    pub fn load(self, dir: &Path, mut warn: impl FnMut(&str)) -> Result<Loaded, DataError> {
        let mut own = true;
        let heard = |text: &str| {
            own = false;
            warn(text);
        };
        let (train, test) = match self.idx_files() {
            Some(files) => mnist::load_files(dir, files, self.label(), heard)?,
            None => cifar10::load(dir)?,
        };
        let (count, label) = (train.count, self.label());
        let description = match own {
            true => format!("{label} training set, {count} images ({})", self.credit()),
            false => format!("{count} images that are not those of {label}"),
        };
        Ok(Loaded { train, test, description })
    }

    /// Reads the test set alone.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_test(self, dir: &Path) -> Result<Dataset, DataError> {
        match self.idx_files() {
            Some(files) => mnist::load_test_files(dir, files, self.label()),
            None => Ok(cifar10::load(dir)?.1),
        }
    }
}

impl fmt::Display for DataSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl FromStr for DataSet {
    type Err = UnknownDataSet;

    fn from_str(text: &str) -> Result<Self, UnknownDataSet> {
        let found = Self::ALL.into_iter().find(|set| set.id() == text);
        found.ok_or_else(|| UnknownDataSet { got: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_here_and_in_recipes() {
        for set in DataSet::ALL {
            assert_eq!(set.id().parse(), Ok(set));
            assert_eq!(serde_json::to_string(&set).unwrap(), format!("\"{}\"", set.id()));
        }
        let error = "minst".parse::<DataSet>().unwrap_err().to_string();
        assert!(error.contains("minst") && error.contains("fashion-mnist"), "{error}");
    }
}
