//! Loads the tensors of `model.safetensors` by name, and checks their shapes before anything is read.

use super::activation::Activation;
use crate::{Error, Result};
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::path::{Path, PathBuf};
use viral::data::{TensorFile, is_there};

/// An open file of weights.
pub(super) struct Weights<'a> {
    path: PathBuf,
    file: TensorFile,
    /// Prefix of all tensor names in this file.
    prefix: &'static str,
    device: &'a Device,
}

impl<'a> Weights<'a> {
    /// Opens the weights of a folder; tensor names may have the `prefix` or not.
    ///
    /// # Errors
    /// If the file is missing, with advice for other formats of weights, or damaged.
    pub(super) fn open(folder: &Path, prefix: &'static str, device: &'a Device) -> Result<Self> {
        let path = folder.join("model.safetensors");
        if !is_there(&path)? {
            let others = [
                (
                    "model.safetensors.index.json",
                    "the weights are in several files; save them with max_shard_size=\"20GB\"",
                ),
                (
                    "pytorch_model.bin",
                    "pytorch_model.bin is a pickle, which is never opened; save the model again with save_pretrained, which writes safetensors",
                ),
            ];
            let advice = others.iter().find(|(name, _)| folder.join(name).exists()).map(|(_, advice)| *advice);
            let message =
                format!("missing; {}", advice.unwrap_or("name a Hugging Face folder with safetensors weights"));
            return Err(Error::file(path, message));
        }
        let file = TensorFile::open(&path)?;
        let word = "embeddings.word_embeddings.weight";
        let prefix =
            if file.shape(word).is_none() && file.shape(&format!("{prefix}{word}")).is_some() { prefix } else { "" };
        Ok(Self { path, file, prefix, device })
    }

    /// Reads a tensor as numbers, row-major.
    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let full = format!("{}{name}", self.prefix);
        // The first BERT models call scale and shift of layer norms gamma and beta.
        let older = full.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        let full = if self.file.shape(&full).is_none() { older } else { full };
        let Some(found) = self.file.shape(&full) else {
            let names = self.file.names();
            let like: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
            let message = format!("no tensor `{full}`; config.json asks for it, the file has {}, …", like.join(", "));
            return Err(Error::file(&self.path, message));
        };
        if found != shape {
            let message = format!(
                "`{full}` has shape {found:?}, but by config.json it is {shape:?}; the files do not belong together"
            );
            return Err(Error::file(&self.path, message));
        }
        let values = self.file.values(&full)?;
        if values.iter().any(|value| !value.is_finite()) {
            let message = format!("`{full}` holds NaN or infinity; copy the model's folder again");
            return Err(Error::file(&self.path, message));
        }
        Ok(values)
    }

    /// Reads a vector.
    pub(super) fn vector(&mut self, name: &str, n: usize) -> Result<Tensor<1>> {
        let values = self.values(name, &[n])?;
        Ok(Tensor::from_data(TensorData::new(values, [n]), (self.device, DType::F32)))
    }

    /// Reads a table of `n` rows.
    pub(super) fn table(&mut self, name: &str, [n, d]: [usize; 2]) -> Result<Tensor<2>> {
        let values = self.values(name, &[n, d])?;
        Ok(Tensor::from_data(TensorData::new(values, [n, d]), (self.device, DType::F32)))
    }

    /// Reads linear maps of the same input as one: files hold each weight as `[d_out, d_in]`, the result is
    /// `[d_in, n d_out]`.
    pub(super) fn linear(&mut self, names: &[&str], [d_in, d_out]: [usize; 2]) -> Result<Linear> {
        // Reading checks the sizes before anything of these sizes is allocated.
        let read = |name: &&str| self.values(&format!("{name}.weight"), &[d_out, d_in]);
        let weights = names.iter().map(read).collect::<Result<Vec<_>>>()?;
        let width = names.len() * d_out;
        let mut weight = vec![0.0; d_in * width];
        for (column, row) in weights.iter().flat_map(|weight| weight.chunks_exact(d_in)).enumerate() {
            row.iter().enumerate().for_each(|(input, &value)| weight[input * width + column] = value);
        }
        let mut bias = Vec::with_capacity(width);
        for name in names {
            bias.extend(self.values(&format!("{name}.bias"), &[d_out])?);
        }
        Ok(Linear {
            weight: Tensor::from_data(TensorData::new(weight, [d_in, width]), (self.device, DType::F32)),
            bias: Tensor::from_data(TensorData::new(bias, [width]), (self.device, DType::F32)),
        })
    }

    /// Reads a layer norm.
    pub(super) fn norm(&mut self, name: &str, d: usize, epsilon: f64) -> Result<Norm> {
        let scale = self.vector(&format!("{name}.weight"), d)?;
        let shift = self.vector(&format!("{name}.bias"), d)?;
        Ok(Norm { scale, shift, epsilon })
    }
}

/// `x W + b`
#[derive(Debug, Clone)]
pub(super) struct Linear {
    weight: Tensor<2>, // [d_in, d_out]
    bias: Tensor<1>,   // [d_out]
}

impl Linear {
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        burn::tensor::module::linear(x, self.weight.clone(), Some(self.bias.clone()))
    }

    /// `f(x W + b)`
    pub(super) fn activated(&self, x: Tensor<2>, f: Activation) -> Tensor<2> {
        f.of_sum(x.matmul(self.weight.clone()), self.bias.clone())
    }
}

/// `(x - mean) / sqrt(var + ε) · scale + shift`
#[derive(Debug, Clone)]
pub(super) struct Norm {
    scale: Tensor<1>,
    shift: Tensor<1>,
    epsilon: f64,
}

impl Norm {
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        burn::tensor::module::layer_norm(x, self.scale.clone(), Some(self.shift.clone()), self.epsilon)
    }
}
