//! Whether an image is in its registry, by digest; never by tag.

use super::{Aws, call};
use crate::{CallError, Order, Registry, RegistryFinding};
use async_trait::async_trait;
use aws_config::Region;
use aws_sdk_ecr::{
    config::Builder,
    types::{ImageIdentifier, ImageTagMutability},
};
use tidegate_domain::{
    deployment::{Blocker, BlockerKind},
    name::Digest,
    release::Image,
};

/// Account and region that a registry's host names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EcrHost {
    account: String,
    region: String,
}

/// Reads `ACCOUNT.dkr.ecr.REGION.amazonaws.com`, its FIPS, China and dual-stack forms.
pub(super) fn ecr_host(image: &Image) -> Option<EcrHost> {
    let (host, _) = image.repository.split_once('/')?;
    let (account, rest) = host.split_once('.')?;
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let rest = ["dkr.ecr.", "dkr.ecr-fips.", "dkr-ecr.", "dkr-ecr-fips."]
        .into_iter()
        .find_map(|kind| rest.strip_prefix(kind))?;
    let (region, domain) = rest.split_once('.')?;
    let ours = [
        "amazonaws.com",
        "amazonaws.com.cn",
        "on.aws",
        "on.amazonwebservices.com.cn",
    ]
    .contains(&domain);
    (ours && !region.is_empty()).then(|| EcrHost {
        account: account.to_owned(),
        region: region.to_owned(),
    })
}

/// What the registry says of the image, once it is known to be there.
pub(super) async fn in_registry(aws: &Aws, order: &Order) -> Result<Result<RegistryFinding, Blocker>, CallError> {
    let missing = |why: &str| Blocker {
        kind: BlockerKind::Registry,
        subject: order.image.pinned(),
        why: why.to_owned(),
        since: None,
        url: None,
    };
    if ecr_host(&order.image).is_none() {
        return Ok(Err(missing(
            "is not in an ECR registry, where its digest could be checked: push it there and report it again",
        )));
    }
    let finding = aws.look_up(&order.image).await?;
    Ok(if finding.present {
        Ok(finding)
    } else {
        Err(missing(
            "is not in the registry (deleted, or never pushed): push this digest again or release another image",
        ))
    })
}

#[async_trait]
impl Registry for Aws {
    /// Refuses an image that is not in ECR.
    async fn look_up(&self, image: &Image) -> Result<RegistryFinding, CallError> {
        let Some(host) = ecr_host(image) else {
            let message = format!("{} is not in an ECR registry", image.repository);
            return Err(CallError::refused("NotEcr", message, false));
        };
        let by_digest = ImageIdentifier::builder().image_digest(image.digest.as_str());
        let by_tag = image.tag.as_ref().map(|tag| ImageIdentifier::builder().image_tag(tag));
        let tagged = async {
            match by_tag {
                Some(id) => self.digest_of(&host, image, id.build()).await,
                None => Ok(None),
            }
        };
        let (pinned, tag_points_to, immutable_tags) = tokio::try_join!(
            self.digest_of(&host, image, by_digest.build()),
            tagged,
            self.immutable(&host, image)
        )?;
        Ok(RegistryFinding {
            present: pinned.as_ref() == Some(&image.digest),
            tag_points_to,
            immutable_tags,
        })
    }
}

impl Aws {
    async fn digest_of(&self, host: &EcrHost, image: &Image, id: ImageIdentifier) -> Result<Option<Digest>, CallError> {
        let answer = self
            .ecr
            .describe_images()
            .registry_id(&host.account)
            .repository_name(image.repository_name())
            .image_ids(id)
            .customize()
            .config_override(Builder::new().region(Region::new(host.region.clone())))
            .send()
            .await;
        match answer {
            Ok(found) => Ok(found
                .image_details()
                .iter()
                .find_map(|detail| Digest::new(detail.image_digest()?).ok())),
            Err(error) => match call::code(&error) {
                Some("ImageNotFoundException" | "RepositoryNotFoundException") => Ok(None),
                _ => Err(call::unread(&error)),
            },
        }
    }

    async fn immutable(&self, host: &EcrHost, image: &Image) -> Result<bool, CallError> {
        let answer = self
            .ecr
            .describe_repositories()
            .registry_id(&host.account)
            .repository_names(image.repository_name())
            .customize()
            .config_override(Builder::new().region(Region::new(host.region.clone())))
            .send()
            .await;
        match answer {
            Ok(found) => Ok(found
                .repositories()
                .iter()
                .any(|each| each.image_tag_mutability() == Some(&ImageTagMutability::Immutable))),
            Err(error) if call::code(&error) == Some("RepositoryNotFoundException") => Ok(false),
            Err(error) => Err(call::unread(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn image(repository: &str) -> Image {
        Image {
            repository: repository.to_owned(),
            digest: Digest::new(format!("sha256:{}", "ab".repeat(32))).unwrap(),
            tag: None,
        }
    }

    #[rstest]
    #[case("123456789012.dkr.ecr.eu-west-1.amazonaws.com/acme/rag", "eu-west-1")]
    #[case("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/acme/rag", "cn-north-1")]
    #[case("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/rag", "us-gov-west-1")]
    #[case("123456789012.dkr-ecr.eu-west-1.on.aws/acme/rag", "eu-west-1")]
    fn an_ecr_host_names_account_and_region(#[case] repository: &str, #[case] region: &str) {
        let host = ecr_host(&image(repository)).unwrap();
        assert_eq!((host.account.as_str(), host.region.as_str()), ("123456789012", region));
    }

    #[rstest]
    #[case("ghcr.io/acme/rag")]
    #[case("localhost:5000/acme/rag")]
    #[case("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example/acme/rag")]
    #[case("1234.dkr.ecr.eu-west-1.amazonaws.com/acme/rag")]
    fn another_registry_is_not_taken_for_ecr(#[case] repository: &str) {
        assert_eq!(ecr_host(&image(repository)), None);
    }
}
